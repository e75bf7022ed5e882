"""VGG-16, of any width."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from emospeech.runtime.errors import UserError

CONVOLUTIONS = (2, 2, 3, 3, 3)  # of each block: configuration D
GROWTH = (1, 2, 4, 8, 8)  # a block's channels, in widths of the first
HALVINGS = len(CONVOLUTIONS)
SMALLEST = 2**HALVINGS  # pixels of a side, of which the last pooling leaves one
GRID = 7  # places of a side that the first fully connected layer sees, of an image of 224


class VGG16(nn.Module):
    """Five blocks of 3 x 3 convolutions, each followed by 2 x 2 max pooling; two fully connected layers.

    Where the convolutions of a pre-trained net leave another number of places than 7 x 7, these are averaged or
    repeated, as torchvision's and timm's do.

    Source: Simonyan and Zisserman 2015, arXiv 1409.1556, configuration D; batch norm: Ioffe and Szegedy 2015, arXiv
    1502.03167.
    """

    def __init__(
        self,
        width: int = 64,
        fc_width: int = 4096,
        grid: int = GRID,
        batch_norm: bool = False,
        dropout: float = 0.5,
        connected: bool = True,
    ) -> None:
        """
        Args:
            width: channels of the first block.
            fc_width: of both fully connected layers.
            grid: places of a side that they see.
            dropout: after each of them, in training.
            connected: whether there are fully connected layers.

        Raises:
            UserError: if a number cannot be.
        """
        super().__init__()
        numbers = {"width": width, "fc_width": fc_width}
        if wrong := [f"{name} = {value}" for name, value in numbers.items() if value < 1]:
            raise UserError(f"{', '.join(wrong)}: should be 1 or more")
        self.channels = [width * growth for growth in GROWTH]
        sizes = zip(pairwise((3, *self.channels)), CONVOLUTIONS, strict=True)
        self.blocks = nn.ModuleList(Block(a, b, count, batch_norm) for (a, b), count in sizes)
        self.pool = nn.MaxPool2d(2)
        self.resize = nn.AdaptiveAvgPool2d(grid)
        if connected:
            self.fc1 = nn.Linear(self.channels[-1] * grid**2, fc_width)
            self.fc2 = nn.Linear(fc_width, fc_width)
            self.dropout = nn.Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def convolved(self, images: Tensor, frozen: int = 0) -> list[Tensor]:
        """images (B, 3, size, size) -> the feature map of each block before its pooling (B, channels, side, side).

        Args:
            frozen: of so many first blocks no graph is built.
        """
        maps: list[Tensor] = []
        x = images
        for number, block in enumerate(self.blocks):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= frozen):
                x = block(x if number == 0 else self.pool(x))
            maps.append(x)
        return maps

    def connected(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """The last block's map -> what fc1 and fc2 give (B, fc_width), each after its ReLU and dropout."""
        first = self.dropout(torch.relu(self.fc1(self.resize(self.pool(last)).flatten(1))))
        return first, self.dropout(torch.relu(self.fc2(first)))


class Block(nn.Module):
    """3 x 3 convolutions, each with ReLU, and batch norm between the two if wanted."""

    def __init__(self, inputs: int, outputs: int, count: int, batch_norm: bool) -> None:
        super().__init__()
        channels = pairwise((inputs, *[outputs] * count))
        # before a batch norm a bias is none; pre-trained nets have one all the same
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) if batch_norm else nn.Identity() for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, side, side) -> (B, outputs, side, side)."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = torch.relu_(norm(convolution(x)))
        return x


def grid_of(size: int) -> int:
    """Places of a side that the convolutions leave of an image, 7 at the most.

    >>> grid_of(224), grid_of(64), grid_of(448)
    (7, 2, 7)

    Raises:
        UserError: if they leave none.
    """
    if size < SMALLEST:
        raise UserError(f"size should be {SMALLEST} pixels or more, got {size}: VGG-16 halves it {HALVINGS} times")
    return min(GRID, size // SMALLEST)
