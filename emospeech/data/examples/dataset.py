"""`dataset[ticket]` -> `Example`; `collate` -> `Batch`, padded, with masks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from emospeech.data import audio
from emospeech.data.examples import votes
from emospeech.data.examples.augment import Augmenter, crop
from emospeech.data.examples.batching import Ticket
from emospeech.data.examples.mixup import Mixup, Partners, mixed

UNLABELLED = -100  # torch's own "ignore this target"


class Tokenizer(Protocol):
    """A transcript to token ids: a checkpoint's own tokenizer, or one trained on the run's text."""

    @property
    def pad_id(self) -> int: ...

    def __call__(self, text: str) -> Sequence[int]: ...


Preprocessor = Callable[[np.ndarray], np.ndarray]  # (samples,) -> (time,) or (time, bands), as the encoder was trained


class Drawn(NamedTuple):
    """What was drawn for an example beside its sound."""

    mask_seed: int  # of the masks that an encoder lays on it in training
    partner: int | None = None  # position in the manifest: the row that mixup mixed it with
    counts: bool = True  # False: it fills a place, see `Ticket`


@dataclass(frozen=True)
class Example:
    """One utterance, unpadded."""

    row: int
    speech: np.ndarray | None  # float32: samples (time,), or frames (time, bands), as the speech encoder takes them
    tokens: Sequence[int] | None
    labels: Mapping[str, int | np.ndarray]  # per task: a class, or soft targets float32 (classes,); empty: no labels
    has_speech: bool = True  # False: `speech` holds a place only
    has_text: bool = True
    drawn: Drawn | None = None


@dataclass(frozen=True)
class Batch:
    """B utterances. Masks are True on what is real."""

    rows: Tensor  # int64 (B,): positions in the manifest
    speech: Tensor | None  # float32 (B, time) samples, or (B, time, bands) frames, as the speech encoder takes them
    speech_mask: Tensor | None  # bool (B, time)
    tokens: Tensor | None  # int64 (B, tokens)
    token_mask: Tensor | None  # bool (B, tokens)
    # per task: int64 (B,), UNLABELLED is not counted; or soft targets float32 (B, classes), zeros are not counted
    labels: Mapping[str, Tensor]
    has_speech: Tensor | None = None  # bool (B,): which utterances have that modality at all; None: all of them
    has_text: Tensor | None = None
    drawn: Sequence[Drawn] | None = None  # (B,), on the CPU; None: nothing was

    @property
    def mask_seeds(self) -> Sequence[int] | None:
        """One for each utterance."""
        return None if self.drawn is None else [one.mask_seed for one in self.drawn]

    @property
    def heard(self) -> list[tuple[int, int | None]]:
        """Of each utterance that counts its row, and that of its partner where it is mixed with one."""
        rows = self.rows.tolist()
        if self.drawn is None:
            return [(row, None) for row in rows]
        return [(row, own.partner) for row, own in zip(rows, self.drawn, strict=True) if own.counts]

    def to(self, device: Any) -> "Batch":
        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return replace(
            self,
            rows=self.rows.to(device),
            speech=move(self.speech),
            speech_mask=move(self.speech_mask),
            tokens=move(self.tokens),
            token_mask=move(self.token_mask),
            labels={task: values.to(device, non_blocking=True) for task, values in self.labels.items()},
            has_speech=move(self.has_speech),
            has_text=move(self.has_text),
        )

    def part(self, rows: slice) -> "Batch":
        """Some of its utterances, padded as they are."""
        names = [name for name in Batch.__dataclass_fields__ if name != "labels"]
        cut: dict[str, Any] = {name: None if (of := getattr(self, name)) is None else of[rows] for name in names}
        return replace(self, **cut, labels={task: values[rows] for task, values in self.labels.items()})


class UtteranceDataset(torch.utils.data.Dataset[Example]):
    """The rows of a manifest, as a model wants them.

    Args:
        manifest: the rows; audio paths must open.
        preprocess: the speech encoder's own preparation of a waveform, or None to leave sound out.
        tokenize: the text encoder's tokenizer, or None to leave text out.
        labels: task -> label vocabulary, for training and scoring; the task `label` is the manifest's column `label`.
        soft_labels: task -> the manifest's column of votes, which then are that task's targets (see `votes`).
        crop_seconds: length of training crops, None for whole clips.
        augment: effects for training clips.
        seed: of crops and effects.
        load: gives the waveform of a path.
        mixup: mixes training clips, and their targets, which are soft ones then.
        may_lack: whether a row may lack a modality, its audio or transcription being NA. Else a row without audio is
            heard as a second of silence, and every row has text: `data.usable` lets none through unasked.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        preprocess: Preprocessor | None = None,
        tokenize: Tokenizer | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
        crop_seconds: float | None = None,
        augment: Augmenter | None = None,
        seed: int = 0,
        load: Callable[[str], np.ndarray] = audio.load,
        may_lack: bool = False,
        soft_labels: Mapping[str, str] | None = None,
        mixup: Mixup | None = None,
    ) -> None:
        self.rows = len(manifest)
        self.audio = manifest["audio"].tolist() if preprocess else []
        self.texts = manifest["transcription"].tolist() if tokenize else []
        self.preprocess, self.tokenize = preprocess, tokenize
        soft = soft_labels or {}
        self.targets = {
            task: _targets(manifest, task, names, soft.get(task), mixup is not None)
            for task, names in (labels or {}).items()
        }
        self.crop_samples = None if crop_seconds is None else round(crop_seconds * audio.SAMPLE_RATE)
        self.augment, self.seed, self.load, self.may_lack = augment, seed, load, may_lack
        self.partners = None if mixup is None else Partners(mixup, self.targets)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, ticket: Ticket) -> Example:
        row = ticket.row
        waveform = self._waveform(row, ticket.rng(self.seed)) if self.preprocess else None
        labels: Mapping[str, Any] = {
            task: values[row] if ticket.counts else _uncounted(values[row]) for task, values in self.targets.items()
        }
        partner = None
        if waveform is not None and self.partners is not None:
            waveform, labels, partner = self._mixed(waveform, labels, ticket, self.partners)
        return Example(
            row=row,
            speech=None if waveform is None or self.preprocess is None else self.preprocess(waveform),
            tokens=self.tokenize(self._text(row)) if self.tokenize else None,
            labels=labels,
            has_speech=not (self.may_lack and self.audio and pd.isna(self.audio[row])),
            has_text=not (self.may_lack and self.texts and pd.isna(self.texts[row])),
            drawn=Drawn(ticket.mask_seed(self.seed), partner, ticket.counts),
        )

    def _text(self, row: int) -> str:
        text = self.texts[row]
        return "" if self.may_lack and pd.isna(text) else str(text)

    def _waveform(self, row: int, rng: np.random.Generator) -> np.ndarray:
        path = self.audio[row]
        if self.may_lack and pd.isna(path):
            return np.zeros(0, dtype=np.float32)
        waveform = np.zeros(audio.SAMPLE_RATE, dtype=np.float32) if pd.isna(path) else self.load(path)
        if self.augment is not None:
            return self.augment(waveform, self.crop_samples, rng)
        return crop(waveform, self.crop_samples, rng)

    def _mixed(
        self, waveform: np.ndarray, labels: Mapping[str, Any], ticket: Ticket, partners: Partners
    ) -> tuple[np.ndarray, Mapping[str, Any], int | None]:
        """A clip with its partner, if it gets one, and the partner's row: the partner is cropped, or repeated, to the
        clip's length."""
        pair = partners.of(ticket, self.seed)
        if pair is None:
            return waveform, labels, None
        other = crop(self._waveform(pair.row, pair.rng), len(waveform), pair.rng)
        both = mixed(waveform, other, pair.share)
        if both is None:
            return waveform, labels, None
        own, rest = np.float32(pair.share), np.float32(1 - pair.share)
        targets = {task: own * labels[task] + rest * values[pair.row] for task, values in self.targets.items()}
        return both, targets, pair.row


@dataclass(frozen=True)
class Collate:
    """Examples -> Batch. A class, so that worker processes can pickle it."""

    pad_id: int = 0

    def __call__(self, examples: Sequence[Example]) -> Batch:
        waveforms = [torch.as_tensor(e.speech) for e in examples if e.speech is not None]
        tokens = [torch.as_tensor(e.tokens, dtype=torch.long) for e in examples if e.tokens is not None]
        waves, wave_mask = pad(waveforms, 0.0) if waveforms else (None, None)
        ids, id_mask = pad(tokens, self.pad_id) if tokens else (None, None)
        tasks = examples[0].labels
        drawn = tuple(e.drawn for e in examples if e.drawn is not None)
        return Batch(
            rows=torch.tensor([e.row for e in examples]),
            speech=waves,
            speech_mask=wave_mask,
            tokens=ids,
            token_mask=id_mask,
            labels={task: torch.from_numpy(np.array([e.labels[task] for e in examples])) for task in tasks},
            has_speech=torch.tensor([e.has_speech for e in examples]),
            has_text=torch.tensor([e.has_text for e in examples]),
            drawn=drawn or None,
        )


def pad(sequences: Sequence[Tensor], value: float) -> tuple[Tensor, Tensor]:
    """Sequences (time_i, …) -> padded (B, longest, …), mask bool (B, longest)."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    padded = torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True, padding_value=value)
    return padded, torch.arange(int(lengths.max())) < lengths[:, None]


def _targets(manifest: pd.DataFrame, task: str, names: Sequence[str], votes_in: str | None, soft: bool) -> Any:
    """A class for each row, or soft targets float32 (rows, classes)."""
    if soft or votes_in is not None:
        cast = None if votes_in is None else manifest[votes_in]
        return votes.targets(manifest[task], names, cast).astype(np.float32)
    index = {name: k for k, name in enumerate(names)}
    return [UNLABELLED if pd.isna(value) else index[value] for value in manifest[task]]


def _uncounted(target: int | np.ndarray) -> int | np.ndarray:
    return np.zeros_like(target) if isinstance(target, np.ndarray) else UNLABELLED
