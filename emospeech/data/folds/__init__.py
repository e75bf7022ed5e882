"""Splits that are written down: k-fold, leave-one-speaker-out and hold-out, drawn, kept in files and given back."""

from emospeech.data.folds.files import read, write
from emospeech.data.folds.kinds import KINDS, Origin, Split, draw
from emospeech.data.folds.summary import Summary, lines, summarise

__all__ = ["KINDS", "Origin", "Split", "Summary", "draw", "lines", "read", "summarise", "write"]
