"""Chooses the facts of a summary and writes it, in words of its own."""
