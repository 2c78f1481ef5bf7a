"""What a text says: claims, and of each whether it holds, of whom, since when, why, and what was done about it."""
