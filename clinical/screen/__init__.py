"""The screen: is each claim of a summary supported by its note? Offline, without weights; a screen, not the truth."""
