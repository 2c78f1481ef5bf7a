"""Room of step 1: makes a factual summary wrong on purpose, and accepts only what is proven wrong by the note."""
