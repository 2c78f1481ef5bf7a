"""The oracle: judges a summary of a shipped note exactly, since the note's facts are known."""

from clinical.oracle.claims import JudgedClaim, Verdict
from clinical.oracle.verdict import judge

__all__ = ["JudgedClaim", "Verdict", "judge"]
