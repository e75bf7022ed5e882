"""The whole network: encoders, then the trained part from `Features` to logits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from emospeech.data.examples.dataset import Batch
from emospeech.encoders.features import Features
from emospeech.encoders.finetuning.tuned import untrained
from emospeech.encoders.masks import drawn_by
from emospeech.encoders.store.dataset import NOTHING, StoredBatch
from emospeech.encoders.store.packed import strided_batch
from emospeech.models.mixing import LayerMix, only_layer
from emospeech.models.streams import ModalityDropout, Stream, StreamPooling, Streams, present


class Classifier(nn.Module):
    """Layer mix and LayerNorm on each stream, modality dropout, fusion, dropout, trunk, heads.

    Each task has one head for each vector that the fusion gives: one, or with late fusion one a modality. Where there
    are trunks, one for each vector, the tasks share them.
    """

    def __init__(
        self,
        fusion: nn.Module,
        heads: Mapping[str, Mapping[str, nn.Module]],  # task -> vector -> head
        speech_shape: tuple[int, int] | None = None,  # (layers, width)
        text_width: int | None = None,
        dropout: float = 0.1,
        modality_dropout: float = 0.0,
        trunks: Mapping[str, nn.Module] | None = None,  # vector -> what stands before its heads
    ) -> None:
        super().__init__()
        if speech_shape is not None:
            self.layer_mix = LayerMix(speech_shape[0])
            self.speech_norm = nn.LayerNorm(speech_shape[1])
        if text_width is not None:
            self.text_norm = nn.LayerNorm(text_width)
        self.modality_dropout = ModalityDropout(modality_dropout)
        self.fusion = fusion
        self.dropout = nn.Dropout(dropout)
        self.trunks = nn.ModuleDict(dict(trunks or {}))
        self.heads = nn.ModuleDict({task: nn.ModuleDict(dict(each)) for task, each in heads.items()})

    @property
    def layer_weights(self) -> Tensor | None:
        """Of the speech encoder's layers (layers,), as they are now; None where there are not several."""
        weights = self.layer_mix.weights if hasattr(self, "layer_mix") else None
        return None if weights is None else weights.detach().cpu()

    def streams(self, features: Features) -> Streams:
        """One stream a modality, normalised."""
        found: dict[str, Stream] = {}
        if features.speech is not None and features.speech_mask is not None:
            found["speech"] = self.speech_norm(self.layer_mix(features.speech)), features.speech_mask
        if features.text is not None and features.text_mask is not None:
            found["text"] = self.text_norm(only_layer(features.text)), features.text_mask
        return found

    def forward(self, features: Features) -> dict[str, Tensor]:
        """Logits (B, classes) per task."""
        streams = self.modality_dropout(self.streams(features))
        vectors = {name: self.dropout(vector) for name, vector in self.fusion(streams).items()}
        vectors = {name: self.trunks[name](vector) for name, vector in vectors.items()} if self.trunks else vectors
        return {task: self._decided(each, vectors, streams) for task, each in self.heads.items()}

    @property
    def attends(self) -> bool:
        """Whether its poolings tell how much of their vectors each position has."""
        return all(part.weighs for part in self.fusion.modules() if isinstance(part, StreamPooling))

    def shares(self, features: Features) -> dict[str, Tensor]:
        """By modality the share (B, time) that each position has in what the heads get; a row of all sums to 1."""
        shares: dict[str, Tensor] = self.fusion.shares(self.streams(features))  # type: ignore[operator]
        return shares

    def _decided(self, heads: Any, vectors: Mapping[str, Tensor], streams: Streams) -> Tensor:
        logits = {name: heads[name](vector) for name, vector in vectors.items()}
        if len(logits) == 1:
            return next(iter(logits.values()))
        voted: Tensor = self.fusion.vote(logits, present(streams))  # type: ignore[operator]
        return voted


class EmotionNetwork(nn.Module):
    """Encoders and classifier. Frozen encoders stay in eval mode and build no graph, whatever the network's mode; so
    do the frozen parts of one that trains partly."""

    def __init__(self, classifier: Classifier, speech: Any = None, text: Any = None) -> None:
        super().__init__()
        self.speech, self.text, self.classifier = speech, text, classifier
        # what stored states were made with, a frozen encoder that runs here does too
        self.frozen_bf16 = False  # it computes in bfloat16
        self.frame_stride = 1  # of so many frames of speech the mean is taken
        self._kept: frozenset[str] | None = None  # while the head trains alone: what `trained_state` holds all the same

    def train(self, mode: bool = True) -> "EmotionNetwork":
        awake = mode and self._kept is None
        super().train(awake)
        for encoder in (self.speech, self.text):
            if encoder is not None and encoder.frozen:
                encoder.eval()
            elif hasattr(encoder, "tuned"):
                encoder.tuned.set_mode(encoder, awake)
        if mode and not awake:
            for part in self._head():
                part.train()
        return self

    def _head(self) -> tuple[nn.Module, nn.Module]:
        """What the section `model.head` of a recipe makes: from the fusion's vectors to logits."""
        return self.classifier.trunks, self.classifier.heads

    @contextmanager
    def head_alone(self) -> Iterator[None]:
        """Within, all before the head stays as in evaluation and does not train: no gradient, no dropout, no batch-norm
        statistics. `trained_state` is whole all the same."""
        own = {id(parameter) for part in self._head() for parameter in part.parameters()}
        resting = [p for p in self.parameters() if p.requires_grad and id(p) not in own]
        self._kept = frozenset(self.trained_state())
        try:
            for parameter in resting:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in resting:
                parameter.requires_grad_(True)
            self._kept = None

    def features(self, batch: Batch) -> Features:
        """States of both encoders, or stored ones; where an utterance lacks a modality, all of it is masked."""
        given = batch.stored if isinstance(batch, StoredBatch) else NOTHING
        speech, speech_mask, text, text_mask = given.speech, given.speech_mask, given.text, given.text_mask
        if self.speech is not None and speech is None:
            with drawn_by(batch.mask_seeds if self.training else None, self.speech):
                speech, speech_mask = self._encoded(self.speech, batch.speech, batch.speech_mask)
            if self.frame_stride > 1 and self.speech.frozen:
                speech, speech_mask = strided_batch(speech, speech_mask, self.frame_stride)
        if self.text is not None and text is None:
            text, text_mask = self._encoded(self.text, batch.tokens, batch.token_mask)
        return Features(speech, _where(speech_mask, batch.has_speech), text, _where(text_mask, batch.has_text))

    def _encoded(self, encoder: Any, inputs: Any, mask: Any) -> tuple[Tensor, Tensor]:
        if not encoder.frozen:
            trained: tuple[Tensor, Tensor] = encoder(inputs, mask)
            return trained
        with torch.no_grad(), torch.autocast(inputs.device.type, torch.bfloat16) if self.frozen_bf16 else nullcontext():
            states, valid = encoder(inputs, mask)
        return states.float() if self.frozen_bf16 else states, valid

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Logits (B, classes) per task."""
        logits: dict[str, Tensor] = self.classifier(self.features(batch))
        return logits

    @property
    def trained_parameters(self) -> int:
        """How many numbers gradients train."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def trained_state(self) -> dict[str, Tensor]:
        """Parameters and buffers of all that trains: what a checkpoint holds, without what is frozen of encoders."""
        if self._kept is not None:
            return {key: value for key, value in self.state_dict().items() if key in self._kept}
        encoders = {"speech": self.speech, "text": self.text}
        frozen = tuple(f"{name}." for name, encoder in encoders.items() if getattr(encoder, "frozen", False))
        partly = {name: encoder for name, encoder in encoders.items() if hasattr(encoder, "tuned")}
        fixed = {f"{name}.{key}" for name, encoder in partly.items() for key in untrained(encoder)}
        state = self.state_dict()
        return {key: value for key, value in state.items() if not key.startswith(frozen) and key not in fixed}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `trained_state`.

        Raises:
            ValueError: if a weight is missing, unknown or of another shape.
        """
        own = self.trained_state()
        wrong = sorted(set(own) ^ set(state)) or [k for k in own if own[k].shape != state[k].shape]
        if wrong:
            raise ValueError(f"weights do not fit the model: {', '.join(wrong[:5])}")
        self.load_state_dict(dict(state), strict=False)


def _where(mask: Tensor | None, there: Tensor | None) -> Tensor | None:
    """mask (B, time), False throughout for utterances that are not `there` (B,)."""
    return mask if mask is None or there is None else mask & there[:, None]
