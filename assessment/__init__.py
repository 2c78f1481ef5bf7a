"""Room of step 4: a person labels each summary; the session, its screens, its files and its report."""
