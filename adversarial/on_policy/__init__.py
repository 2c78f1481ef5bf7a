"""Pairs of the SFT model's own summaries: sampled, screened, and repaired where the screen finds them wrong."""
