"""What a run leaves behind: its folder, curves, model and card, and the table of all runs."""
