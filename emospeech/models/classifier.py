"""The whole network: encoders, then the trained part from `Features` to logits."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from emospeech.data.dataset import Batch
from emospeech.encoders.features import Features
from emospeech.models.mixing import LayerMix


class Classifier(nn.Module):
    """Layer mix and LayerNorm on each stream, fusion, optional mixer, pooling, dropout, one head a task."""

    def __init__(
        self,
        fusion: nn.Module,
        pooling: nn.Module,
        heads: Mapping[str, nn.Module],
        speech_shape: tuple[int, int] | None = None,  # (layers, width)
        text_width: int | None = None,
        mixer: nn.Module | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if speech_shape is not None:
            self.layer_mix = LayerMix(speech_shape[0])
            self.speech_norm = nn.LayerNorm(speech_shape[1])
        if text_width is not None:
            self.text_norm = nn.LayerNorm(text_width)
        self.fusion, self.mixer, self.pooling = fusion, mixer, pooling
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict(dict(heads))

    def sequence(self, features: Features) -> tuple[Tensor, Tensor]:
        """What pooling sees: (B, time, D), mask (B, time)."""
        speech = None if features.speech is None else self.speech_norm(self.layer_mix(features.speech))
        text = None if features.text is None else self.text_norm(features.text)
        x, mask = self.fusion(speech, features.speech_mask, text, features.text_mask)
        return (x if self.mixer is None else self.mixer(x, mask)), mask

    def pooled(self, features: Features) -> Tensor:
        """(B, D)."""
        vector: Tensor = self.pooling(*self.sequence(features))
        return vector

    def forward(self, features: Features) -> dict[str, Tensor]:
        """Logits (B, classes) per task."""
        vector = self.dropout(self.pooled(features))
        return {task: head(vector) for task, head in self.heads.items()}


class EmotionNetwork(nn.Module):
    """Encoders and classifier. Frozen encoders stay in eval mode and build no graph, whatever the network's mode."""

    def __init__(self, classifier: Classifier, speech: nn.Module | None = None, text: nn.Module | None = None) -> None:
        super().__init__()
        self.speech, self.text, self.classifier = speech, text, classifier

    def train(self, mode: bool = True) -> "EmotionNetwork":
        super().train(mode)
        for encoder in (self.speech, self.text):
            if encoder is not None and encoder.frozen:
                encoder.eval()
        return self

    def features(self, batch: Batch) -> Features:
        speech = speech_mask = text = text_mask = None
        if self.speech is not None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.speech.frozen):
                speech, speech_mask = self.speech(batch.speech, batch.speech_mask)
        if self.text is not None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.text.frozen):
                text, text_mask = self.text(batch.tokens, batch.token_mask)
        return Features(speech, speech_mask, text, text_mask)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Logits (B, classes) per task."""
        logits: dict[str, Tensor] = self.classifier(self.features(batch))
        return logits

    def trained_state(self) -> dict[str, Tensor]:
        """Parameters and buffers of all that trains: what a checkpoint holds, frozen encoders left out."""
        frozen = [f"{name}." for name in ("speech", "text") if getattr(getattr(self, name), "frozen", False)]
        state = self.state_dict()
        return {key: value for key, value in state.items() if not key.startswith(tuple(frozen))}

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
