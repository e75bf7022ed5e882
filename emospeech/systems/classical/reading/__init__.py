"""What a transcript is turned into: TF-IDF, and how it is said; both learn of the training rows."""
