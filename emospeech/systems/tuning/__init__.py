"""Keys of a recipe whose values inner folds of the training rows choose."""

from emospeech.systems.tuning.points import Point, check, heard, points
from emospeech.systems.tuning.study import Part, Study, Trial
from emospeech.systems.tuning.system import TunedSystem

__all__ = ["Part", "Point", "Study", "Trial", "TunedSystem", "check", "heard", "points"]
