"""Speech and text emotion recognition, from raw corpora to a checked leaderboard file."""

__version__ = "0.1.0"
