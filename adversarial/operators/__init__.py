"""Makes a factual summary wrong in one place: what can be wrong, a module for each kind; the table lists them all."""
