"""Stored features of a recipe's frozen encoders: what is kept of which row, planned, computed where missing, read."""
