"""A recipe's keys chosen out of a space, on inner folds of its training rows."""

from emospeech.experiments.tuning.search import all_units, run

__all__ = ["all_units", "run"]
