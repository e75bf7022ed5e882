"""Trained systems for whoever asks: from Python."""
