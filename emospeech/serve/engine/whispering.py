"""Transcripts for a server: Whisper in memory; nothing of what it hears is kept."""

import hashlib
from collections.abc import Sequence

import numpy as np

from emospeech.encoders.transcribe.backends import AUTO, choose, language_code
from emospeech.encoders.transcribe.guards import Guards
from emospeech.encoders.transcribe.listening import Sound, listen
from emospeech.runtime.errors import UserError


class Whisperer:
    """A Whisper that writes down what clips of one language say."""

    def __init__(self, name: str, language: str | None, backend: str = AUTO, batch: int = 8) -> None:
        """
        Args:
            name: as `emospeech transcribe --model` takes it.
            language: code or English name.
            batch: clips at once.

        Raises:
            UserError: if there is no such checkpoint or language, or it does not write that language.
        """
        import torch

        code = None if language is None else language_code(language)
        if code is None:
            told = "name it with --language, as --language es" if language is None else f"{language!r} is none it knows"
            raise UserError(f"Whisper needs the language of the clips: {told}")
        checkpoint = choose(name, backend)
        self.label, self.language, self.batch = checkpoint.label, code, batch
        self.recogniser = checkpoint.load("cuda" if torch.cuda.is_available() else "cpu")
        if code not in self.recogniser.languages:
            raise UserError(f"{name} does not write {code}; give a multilingual checkpoint")

    @property
    def source(self) -> str:
        """As manifests name it."""
        return f"whisper:{self.label}"

    def write(self, waveforms: Sequence[np.ndarray]) -> list[str]:
        """What is said in each; empty where nothing is."""
        texts: list[str] = []
        for start in range(0, len(waveforms), self.batch):
            sounds = [Sound(_key(one), one) for one in waveforms[start : start + self.batch]]
            texts += [told.text for told in listen(self.recogniser, sounds, self.language, Guards())]
        return texts


def _key(waveform: np.ndarray) -> str:
    """Seeds what is sampled: the same clip gets the same transcript."""
    return hashlib.sha256(waveform.tobytes()).hexdigest()
