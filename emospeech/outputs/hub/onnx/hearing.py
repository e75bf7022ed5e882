"""Speech encoders in a form that can be traced: without a loop over a batch's utterances."""

from typing import Any

import torch
from torch import Tensor, nn

from emospeech.encoders.speech.waveform import WaveformSpeech, zero_padding


class PaddedWaveform(nn.Module):
    """What `WaveformSpeech` gives, its convolutions on the whole padded batch.

    That one hears each utterance alone, a loop that no graph can have for batches of any size. Frames that see an
    utterance's own samples alone are the same either way, but for the group norm that base models have over time after
    their first convolution: here its mean and variance are taken over an utterance's own frames.
    """

    def __init__(self, encoder: WaveformSpeech) -> None:
        super().__init__()
        self.encoder, self.depth, self.width, self.frozen = encoder, encoder.depth, encoder.width, encoder.frozen

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As of `WaveformSpeech`; windows aside: all of an utterance is heard at once."""
        encoder = self.encoder
        lengths = mask.sum(1)
        frames = self._convolved(waveforms, lengths)
        count = (lengths - encoder.grid.field) // encoder.grid.stride + 1
        valid = torch.arange(frames.shape[1], device=frames.device) < count[:, None]
        projected = encoder.model.feature_projection(frames * valid[..., None])
        hidden = projected[0] if isinstance(projected, tuple) else projected
        with zero_padding(encoder.model.encoder.pos_conv_embed, valid):
            return encoder.states(hidden, attention_mask=valid), valid

    def _convolved(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(B, samples) -> (B, frames, channels)."""
        front = self.encoder.model.feature_extractor
        norm = getattr(front.conv_layers[0], "layer_norm", None)
        if not isinstance(norm, nn.GroupNorm):
            states: Tensor = front(waveforms)
            return states.transpose(1, 2)
        first, *others = front.conv_layers
        hidden = first.conv(waveforms[:, None])
        (kernel,), (stride,) = first.conv.kernel_size, first.conv.stride
        own = torch.arange(hidden.shape[2], device=hidden.device) < ((lengths - kernel) // stride + 1)[:, None]
        hidden = first.activation(_normalised(hidden, own[:, None], norm))
        for layer in others:
            hidden = layer(hidden)
        return hidden.transpose(1, 2)


def _normalised(x: Tensor, own: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group norm of x (B, channels, time), a group a channel, over what is an utterance's own (B, 1, time)."""
    count = own.sum(2, keepdim=True)
    mean = (x * own).sum(2, keepdim=True) / count
    variance = ((x - mean).square() * own).sum(2, keepdim=True) / count
    scaled: Tensor = (x - mean) * (variance + norm.eps).rsqrt()
    return scaled * norm.weight[:, None] + norm.bias[:, None]


def traceable(encoder: Any) -> Any:
    """An encoder that gives the same, and can be traced; itself, where nothing is in the way that is known."""
    return PaddedWaveform(encoder) if isinstance(encoder, WaveformSpeech) else encoder
