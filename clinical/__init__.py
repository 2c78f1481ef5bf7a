"""What step 1 and step 3 both know about medicine: the lexicon, and what is built on it."""
