"""Scores of predictions: as values and lines, how far probabilities can be believed, whose clips are new."""
