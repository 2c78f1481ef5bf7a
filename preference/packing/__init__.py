"""How the model is run: notes once for all their pairs, shared out, and split where memory is short."""
