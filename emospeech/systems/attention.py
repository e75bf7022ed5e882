"""What a network's pooling weighed in a clip: frames of its speech, words of its transcript."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from emospeech.runtime.console import progress
from emospeech.systems.base import System
from emospeech.systems.neural import NeuralSystem
from emospeech.training import evaluation

Spans = Sequence[tuple[int, int]]  # characters [start, end), one a token


@dataclass(frozen=True)
class Word:
    """A word of a transcript, as it stands there: what is between spaces."""

    text: str
    start: int  # characters [start, end) of the transcript
    end: int
    weight: float  # share of the pooling's attention, sum over its tokens


@dataclass(frozen=True)
class Attended:
    """What the pooling of a network weighed in one clip. All weights of one clip, frames, words and rest, sum to 1."""

    frames: np.ndarray | None  # (frames,) float32; None: not heard. Frame k of n: seconds [k/n, (k+1)/n) * duration
    words: tuple[Word, ...]  # empty where no text is read
    rest: float  # special tokens and tokens of no word


def attends(system: System) -> bool:
    """Whether `attended` has an answer for a system."""
    return isinstance(system, NeuralSystem) and system.ready().classifier.attends


def attended(system: System, rows: pd.DataFrame) -> list[Attended] | None:
    """What a system weighed in clips; speech and text in the proportion in which its fusion takes them.

    Where a mixer stands before the pooling, the weights are those of mixed positions, each of which knows of all
    others: they say less about the sound of a moment. States of encoders with context do so, too.

    Args:
        rows: of a manifest, as `System.predict` takes them.

    Returns:
        One for each row, in their order; None: of a system without attention.
    """
    if not isinstance(system, NeuralSystem) or not attends(system):
        return None
    evaluated = system.to_evaluate(rows, None)
    own: list[tuple[int, dict[str, np.ndarray]]] = []
    with progress("weighing", evaluated.count) as bar:
        for batch in evaluation.batches_of(evaluated.batches(), bar):
            own += _weighed(system, batch).items()
    found = dict(evaluation.gathered(own, system.accelerator))
    texts = rows["transcription"].tolist() if system.needs_text else [None] * len(rows)
    return [_of_clip(found[k], texts[k], system.tokenizer) for k in range(len(rows))]


@torch.no_grad()
def _weighed(system: NeuralSystem, batch: Any) -> dict[int, dict[str, np.ndarray]]:
    """Row -> modality -> the weights of its own positions, without padding; of an absent modality nothing."""
    network = system.ready().eval()
    with system.accelerator.autocast():
        features = network.features(batch.to(system.accelerator.device))
        shares = network.classifier.shares(features)
    masks = {"speech": features.speech_mask, "text": features.text_mask}
    found: dict[int, dict[str, np.ndarray]] = {row: {} for row in batch.rows.tolist()}
    for name, weights in shares.items():
        mask: Any = masks[name]
        for row, own, real in zip(found, weights.float().cpu(), mask.cpu(), strict=True):
            if real.any():
                found[row][name] = own[real].numpy()
    return found


def _of_clip(weights: dict[str, np.ndarray], text: Any, tokenizer: Any) -> Attended:
    of_tokens, words = weights.get("text"), cast(tuple[Word, ...], ())
    if of_tokens is not None and isinstance(text, str):
        spans = tokenizer.offsets(text)
        # a sentence encoder has a state for each window, not for each token
        words = by_word(text, spans, of_tokens) if spans is not None and len(spans) == len(of_tokens) else ()
    frames = weights.get("speech")
    told = (0.0 if frames is None else float(frames.sum())) + sum(word.weight for word in words)
    return Attended(frames, words, max(1 - told, 0.0))


def by_word(text: str, spans: Spans, weights: np.ndarray) -> tuple[Word, ...]:
    """The weights of tokens, gathered into words; a token of several words is shared out by characters.

    Args:
        spans: of each token the characters of the text that it stands for; outside of the text: of no word.
        weights: of the tokens (tokens,).

    >>> by_word("no va", [(0, 0), (0, 2), (2, 5), (0, 0)], np.array([0.1, 0.2, 0.4, 0.3]))
    (Word(text='no', start=0, end=2, weight=0.2), Word(text='va', start=3, end=5, weight=0.4))
    """
    words = [(one.start(), one.end()) for one in re.finditer(r"\S+", text)]
    sums = np.zeros(len(words))
    for (start, end), weight in zip(spans, weights, strict=True):
        shared = np.array([max(0, min(end, last) - max(start, first)) for first, last in words])
        if shared.any():
            sums += weight * shared / shared.sum()
    return tuple(
        Word(text[first:last], first, last, float(weight)) for (first, last), weight in zip(words, sums, strict=True)
    )
