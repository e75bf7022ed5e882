"""Convolution, batch norm and pooling that never see past the end of an utterance.

Each takes x (B, channels, time, bands) and mask (B, time), expects 0 past the end, and leaves 0 there: what a
convolution's own padding would put. So a clip gives the same frames alone as beside longer ones.
"""

from torch import Tensor, nn


class MaskedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics are those of the true frames: padding does not reach training either."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """x (B, channels, time, bands), mask (B, time) -> the same shape; past the end anything may stand."""
        if not self.training or bool(mask.all()):
            return super().forward(x)
        true = x.transpose(1, 2)[mask]  # (true frames, channels, bands)
        out = x.transpose(1, 2).clone()
        out[mask] = super().forward(true[..., None])[..., 0].to(out.dtype)
        return out.transpose(1, 2)


class MaskedConv(nn.Module):
    """Square convolution without bias, batch norm over true frames, ReLU if wanted, and 0 past the end."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, relu: bool = True) -> None:
        """`kernel`: odd, so that frame t of the result is centred on frame `stride` * t."""
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = MaskedBatchNorm(outputs)
        self.activation = nn.ReLU() if relu else nn.Identity()
        self.stride = stride

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, time, bands), (B, time) -> (B, outputs, ⌈time / stride⌉, ⌈bands / stride⌉), mask."""
        mask = mask[:, :: self.stride]
        x = self.activation(self.norm(self.convolution(x), mask))
        return x * mask[:, None, :, None], mask


class MaskedMaxPool(nn.Module):
    """2 x 2 max pooling of what is never negative, such as ReLU's result.

    A last window half past the end then gives the maximum of its true half, as ceil mode does at the end of a tensor.
    """

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, time, bands), (B, time) -> (B, channels, ⌈time / 2⌉, ⌈bands / 2⌉), mask."""
        return nn.functional.max_pool2d(x, 2, ceil_mode=True), mask[:, ::2]
