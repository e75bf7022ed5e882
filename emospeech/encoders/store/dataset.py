"""Training and evaluating from stored states: rows to batches, without an encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from emospeech.data.examples.batching import Ticket
from emospeech.data.examples.dataset import Batch, Example, UtteranceDataset
from emospeech.encoders.features import Features, PackedStates
from emospeech.encoders.store.packed import Packed

NOTHING = Features(None, None, None, None)


@dataclass(frozen=True)
class StoredBatch(Batch):
    """A batch whose speech, text or both come as states; what comes so has no input to an encoder."""

    stored: Features = NOTHING

    def to(self, device: Any) -> "StoredBatch":
        plain = super().to(device)
        assert isinstance(plain, StoredBatch)
        return replace(plain, stored=self.stored.to(device))

    def part(self, rows: slice) -> "StoredBatch":
        plain = super().part(rows)
        assert isinstance(plain, StoredBatch)
        return replace(plain, stored=self.stored.part(rows))


@dataclass(frozen=True)
class Stored:
    """The states of a modality for each row of a manifest."""

    rows: Sequence[Sequence[Packed] | None]  # the utterance, then its augmented views; None: it lacks the modality
    layers: int
    width: int

    def nothing(self) -> Packed:
        """In the place of what an utterance lacks: one frame of zeros. That it is absent, the batch says."""
        there = next((views[0].values for views in self.rows if views is not None), torch.zeros(0))
        return Packed(torch.zeros(self.layers, 1, self.width, device=there.device))


@dataclass(frozen=True)
class Drawing:
    """How training draws from stored speech."""

    frames: int | None = None  # of a crop; None: whole clips
    probability: float = 0.0  # of an augmented view
    seed: int = 0

    def __call__(self, views: Sequence[Packed], ticket: Ticket) -> Packed:
        """A crop of one view; a shorter clip is repeated to fill it. A pure function of seed, epoch and row."""
        rng = ticket.rng(self.seed)
        altered = rng.random() < self.probability and len(views) > 1
        states = views[int(rng.integers(1, len(views))) if altered else 0]
        if self.frames is None or states.frames == self.frames:
            return states
        if states.frames < self.frames:
            return states.filled(self.frames)
        return states.cut(int(rng.integers(states.frames - self.frames + 1)), self.frames)


WHOLE = Drawing()


class StoredDataset:
    """The rows of a manifest, of which speech, text or both are stored.

    Args:
        rows: give what is not stored: labels, the input of an encoder that trains.
        speech, text: what is stored; None: not this one.
        draw: what training takes of stored speech.
    """

    def __init__(
        self,
        rows: UtteranceDataset,
        speech: Stored | None,
        text: Stored | None,
        draw: Drawing = WHOLE,
    ) -> None:
        self.rows, self.speech, self.text, self.draw = rows, speech, text, draw

    def batch(self, tickets: Sequence[Ticket], collate: Callable[[Sequence[Example]], Batch]) -> StoredBatch:
        """The rows of some tickets, as a network takes them."""
        return self.with_states(collate([self.rows[ticket] for ticket in tickets]), tickets)

    def with_states(self, plain: Batch, tickets: Sequence[Ticket]) -> StoredBatch:
        """A batch of what is not stored, and the states of its tickets' rows."""
        fields = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
        stored = NOTHING
        if self.speech is not None:
            speech, fields["has_speech"] = _drawn(self.speech, tickets, self.draw)
            stored = replace(stored, speech=speech, speech_mask=speech.mask())
        if self.text is not None:
            text, fields["has_text"] = _drawn(self.text, tickets, WHOLE)
            stored = replace(stored, text=text, text_mask=text.mask())
        return StoredBatch(**fields, stored=stored)


def _drawn(stored: Stored, tickets: Sequence[Ticket], draw: Drawing) -> tuple[PackedStates, torch.Tensor]:
    """The states of the tickets' rows, and which of them have any: bool (B,)."""
    found = [stored.rows[ticket.row] for ticket in tickets]
    states = [stored.nothing() if views is None else draw(views, t) for views, t in zip(found, tickets, strict=True)]
    return PackedStates(tuple(states)), torch.tensor([views is not None for views in found])
