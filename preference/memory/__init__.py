"""How much memory a run takes, asked before it begins, and what is done where it runs out."""
