"""From a recipe's data section to the rows that train, steer and test, with all that a model needs of them."""

from emospeech.experiments.rows.loading import Rows, load, transcribed

__all__ = ["Rows", "load", "transcribed"]
