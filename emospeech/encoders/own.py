"""The speech encoders that are this project's own modules, by their names in a recipe; options are keyword-only."""

from emospeech.encoders.deepspectrum import IMAGE_ENCODERS
from emospeech.encoders.spectrogram import SPECTROGRAM_ENCODERS

OWN_SPEECH = {**SPECTROGRAM_ENCODERS, **IMAGE_ENCODERS}
