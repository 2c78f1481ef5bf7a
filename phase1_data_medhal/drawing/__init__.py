"""Draws the patient behind a note: a presenting problem, and everything that fits it."""
