"""From a recipe's data section to the rows that train, steer and test, with all that a model needs of them."""

from emospeech.experiments.rows.dividing import labelled
from emospeech.experiments.rows.loading import Rows, Whole, load, transcribed, whole

__all__ = ["Rows", "Whole", "labelled", "load", "transcribed", "whole"]
