"""What all four steps share: records and files, run records, the prompt format, models, generation, statistics."""
