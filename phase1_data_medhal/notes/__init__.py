"""Writes a patient's note, in one of six styles."""
