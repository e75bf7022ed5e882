"""Decoded audio kept in memory: an mp3 is decoded and resampled once, not once an epoch."""

import numpy as np

from emospeech.data import audio


class AudioMemory:
    """`audio.load`, remembering what it gave until the budget is full; files that came later are read each time.

    A copy sent to another process starts empty, with the same budget. The arrays are shared: never write into one.
    """

    def __init__(self, budget: float) -> None:
        """`budget`: bytes; 0 remembers nothing."""
        self.budget = self.left = budget
        self.kept: dict[str, np.ndarray] = {}

    def load(self, path: str) -> np.ndarray:
        """float32 (time,), as `audio.load`."""
        if path in self.kept:
            return self.kept[path]
        waveform = audio.load(path)
        if waveform.nbytes <= self.left:
            self.kept[path] = waveform
            self.left -= waveform.nbytes
        return waveform

    def forget(self) -> None:
        """Let go of all."""
        self.kept.clear()
        self.left = self.budget

    def __getstate__(self) -> dict[str, float]:
        return {"budget": self.budget}

    def __setstate__(self, state: dict[str, float]) -> None:
        self.__init__(state["budget"])  # type: ignore[misc]
