"""The room of step 3: examples in, summaries generated, scored by the screen and ROUGE, compared and reported."""
