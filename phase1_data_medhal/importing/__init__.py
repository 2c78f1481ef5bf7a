"""Turns tables of other people's making into Phase 1 rows: where they lie, what each row becomes."""
