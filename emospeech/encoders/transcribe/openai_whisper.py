"""Whisper as its authors distribute it: a size by name, which the package downloads, or a `.pt` file."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.transcribe.transcript import WINDOW_FRAMES, WINDOW_SECONDS, Decoded
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import content_hash


class OpenAICheckpoint:
    """A checkpoint that is not loaded yet."""

    def __init__(self, name: str) -> None:
        """
        Args:
            name: a size, such as `large-v3`, or the path of a `.pt` file.

        Raises:
            UserError: if it is neither.
        """
        sizes = published()
        self.name = name
        self.path = None if name in sizes else Path(name).expanduser()
        if self.path is not None and not self.path.is_file():
            raise UserError(f"no Whisper checkpoint {name!r}: give a .pt file, or one of {', '.join(sizes)}")
        self.label = Path(sizes[name]).stem if self.path is None else self.path.stem

    def identity(self) -> str:
        """SHA-256 of its file; of a size by name, the one that its authors tell, without reading it."""
        return published()[self.name].split("/")[-2] if self.path is None else content_hash(self.path)

    def load(self, device: str) -> "OpenAIWhisper":
        """
        Raises:
            UserError: if it cannot be downloaded or read.
        """
        import whisper

        try:
            model = whisper.load_model(self.name if self.path is None else str(self.path), device=device)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        except Exception as error:  # torch.load of junk: pickle's errors are no subclass of the above
            reason = f"not a Whisper checkpoint ({type(error).__name__})"
        else:
            return OpenAIWhisper(model.eval())
        if self.path is not None:
            raise UserError(f"cannot load {self.path}: {reason}\nGive a .pt file as openai-whisper downloads it")
        raise UserError(self._not_here(reason))

    def fetch(self) -> Path:
        """Have the file of a size by name on this machine, whole by its checksum; where it is.

        Raises:
            UserError: if it cannot be downloaded.
        """
        from whisper import _download

        if self.path is not None:
            return self.path
        try:
            return Path(_download(published()[self.name], str(download_folder()), in_memory=False))
        except (OSError, RuntimeError) as error:
            raise UserError(self._not_here(str(error))) from None

    def _not_here(self, reason: str) -> str:
        return (
            f"cannot load Whisper {self.name}: {reason}\nWithout network: download {published()[self.name]} where "
            f"there is one, and put the file into {download_folder()}, or give its path: --model {self.label}.pt"
        )


def published() -> dict[str, str]:
    """Size -> where its file is; the folder in it is named by the file's SHA-256."""
    from whisper import _MODELS

    return dict(_MODELS)


def download_folder() -> Path:
    """Where openai-whisper keeps what it downloads."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


class OpenAIWhisper:
    """A recogniser; see `Recogniser`."""

    def __init__(self, model: Any) -> None:
        from whisper.tokenizer import LANGUAGES, get_tokenizer

        self.model = model
        self.tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
        self.timestamp_begin: int = self.tokenizer.timestamp_begin
        self.languages: Sequence[str] = list(LANGUAGES)[: model.num_languages] if model.is_multilingual else ["en"]
        self.half = model.device.type == "cuda"
        self.longest = model.dims.n_text_ctx // 2  # tokens of a decoding; the other half is for a prompt

    def spectrogram(self, waveform: np.ndarray) -> Any:
        """As Whisper's `transcribe` makes it: normalised over the whole clip, zeros after its end."""
        from whisper.audio import log_mel_spectrogram

        mel = log_mel_spectrogram(waveform, self.model.dims.n_mels, padding=WINDOW_SECONDS * SAMPLE_RATE)
        mel[:, mel.shape[1] - WINDOW_FRAMES :] = 0
        return mel

    def encode(self, windows: Any) -> Any:
        import torch

        with torch.inference_mode():
            windows = windows.to(self.model.device)
            return self.model.encoder(windows.half() if self.half else windows)

    def decode(self, states: Any, language: str, temperature: float, seed: int) -> list[Decoded]:
        import torch
        from whisper import DecodingOptions

        options = DecodingOptions(language=language, temperature=temperature, fp16=self.half)
        devices = [self.model.device] if self.half else []
        with torch.inference_mode(), torch.random.fork_rng(devices):  # it samples from the global generator
            torch.manual_seed(seed)
            return [self._decoded(result) for result in self.model.decode(states, options)]

    def text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode([token for token in tokens if token < self.tokenizer.eot]))

    def _decoded(self, result: Any) -> Decoded:
        return Decoded(
            tuple(result.tokens),
            result.text,
            float(result.avg_logprob),
            None if math.isnan(result.no_speech_prob) else float(result.no_speech_prob),
            ended=len(result.tokens) < self.longest,
        )
