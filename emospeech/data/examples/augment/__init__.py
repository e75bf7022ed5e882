"""Augmentation of training waveforms: `effects` on a crop, drawn as a recipe says (`drawing`)."""

from emospeech.data.examples.augment.drawing import Augmenter, Drawing, Each, One
from emospeech.data.examples.augment.effects import EFFECTS, Effect
from emospeech.data.examples.augment.sounds import SOUND_FILES, Sounds, sounds_in
from emospeech.data.examples.augment.waves import Done, Heard, crop, rms

__all__ = [
    "EFFECTS", "SOUND_FILES", "Augmenter", "Done", "Drawing", "Each", "Effect", "Heard", "One", "Sounds", "crop",
    "rms", "sounds_in",
]  # fmt: skip
