"""Deep spectrum: the picture of a clip's mel spectrogram through VGG-16, one state a clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from emospeech.encoders.deepspectrum import layouts
from emospeech.encoders.deepspectrum.attention import COMPATIBILITIES, BlockAttention, joined
from emospeech.encoders.deepspectrum.image import SpectrogramImage, at_least_a_window
from emospeech.encoders.deepspectrum.vgg16 import GRID, HALVINGS, VGG16, grid_of
from emospeech.encoders.deepspectrum.weights import Found, find, read
from emospeech.encoders.spectrogram.specaugment import SpecAugment
from emospeech.runtime.errors import UserError

ATTENDED = (3, 4)  # the last two blocks
CLASSIFIER = "classifier"  # what stands behind the convolutions


@dataclass(frozen=True)
class Seen:
    """What attention looks at in B clips."""

    spectrogram: Tensor  # float32 (B, frames, bands), dB
    mask: Tensor  # bool (B, frames)
    maps: Mapping[str, Tensor]  # block, as "block 4" -> (B, height, width), sums to 1; highest frequency first


class DeepSpectrum(nn.Module):
    """Mel spectrogram as a coloured picture of the whole clip; VGG-16; fc2's vector, or attention in two blocks.

    One state a clip, however long: the picture is squeezed to `size` pixels. With attention the states are the attended
    vectors of blocks 4 and 5, taken before their pooling, end to end.

    Source: Ortega-Beltrán et al. 2024, DS-AM (arXiv 2409.05148); Amiriparian et al. 2017 (doi
    10.21437/Interspeech.2017-434); Jetley et al. 2018 (arXiv 1804.02391); Simonyan and Zisserman 2015 (1409.1556).
    """

    frozen = False
    depth = 1
    compiles = False  # the Fourier transform and the table of colours break its graph into many
    preprocess = staticmethod(at_least_a_window)

    def __init__(
        self,
        *,
        weights: str | None = None,
        train: Literal["all", "classifier"] | int = "all",
        attention: bool = False,
        compatibility: Literal["dot", "parametrised"] = "dot",
        colours: str = "viridis",
        size: int = 224,
        bands: int = 128,
        range_db: float | None = 80.0,
        normalise: bool = False,
        width: int = 64,
        fc_width: int = 4096,
        batch_norm: bool = False,
        dropout: float = 0.5,
        time_masks: int = 0,
        time_mask_frames: int = 40,
        frequency_masks: int = 0,
        frequency_mask_bands: int = 24,
    ) -> None:
        """Nothing is loaded yet: see `start`.

        Args:
            weights: a Hub id, file or folder, under torchvision's or timm's names; None: random.
            train: all; the classifier alone; or blocks from this number on (1 to 5), and the classifier.
            attention: whether the last two blocks are attended.
            compatibility: of the local vectors with the global one, fc2's; parametrised does without fc1 and fc2.
            colours: grey, or one of matplotlib's colour maps.
            size: pixels of a side.
            bands: of the mel spectrogram.
            range_db: what lies so far below a clip's loudest becomes as quiet as that; None: nothing does.
            normalise: take each clip's mean per band away, and with it the channel; DeepSpectrum does not.
            width: channels of the first block.
            fc_width: of the two fully connected layers.
            batch_norm: after each convolution.
            dropout: after each fully connected layer.
            time_masks, frequency_masks: SpecAugment, masks a clip in training; 0: none.
            time_mask_frames, frequency_mask_bands: their greatest widths, in 16 ms and in mel bands.

        Raises:
            UserError: if they cannot be, or do not go together.
        """
        super().__init__()
        self.weights = weights
        self.started_from: dict[str, str | None] | None = None  # once it has
        self.first = _first(train, weights)
        augment = SpecAugment(time_masks, time_mask_frames, frequency_masks, frequency_mask_bands)
        self.image = SpectrogramImage(colours, size, bands, range_db, augment, normalise)
        grid = grid_of(size)
        kind = COMPATIBILITIES[compatibility]
        whole = not attention or kind.needs_global  # type: ignore[attr-defined]
        self.net = VGG16(width, fc_width, grid if weights is None else GRID, batch_norm, dropout, connected=whole)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on a CPU where there are few channels
        self.attention: nn.ModuleList | None = None
        self.width = fc_width
        if attention:
            channels = [self.net.channels[block] for block in ATTENDED]
            self.attention = nn.ModuleList(BlockAttention(kind(count, fc_width)) for count in channels)
            self.width = sum(channels)
        for block in self.net.blocks[: self.first]:
            block.requires_grad_(False)

    @property
    def blocks(self) -> nn.ModuleList:
        """Those of which gradient checkpointing keeps only the inputs."""
        return self.net.blocks

    def initial(self, revision: str | None = None) -> tuple[Found, dict[str, Tensor]] | None:
        """The pre-trained weights that the recipe names, under our names; None where it names none.

        Raises:
            UserError: if they cannot be found or read, or are no VGG-16's of these sizes.
        """
        if self.weights is None:
            return None
        found = find(self.weights, revision)
        return found, layouts.translated(read(found), self.net.state_dict(), self.weights)

    def start(self, revision: str | None = None) -> None:
        """Take them over. Raises: as `initial`."""
        if (initial := self.initial(revision)) is not None:
            found, state = initial
            self.net.load_state_dict(state, strict=False)  # what it lacks was an error already
            self.started_from = found.identity()

    def train(self, mode: bool = True) -> "DeepSpectrum":
        """Blocks that do not train keep the statistics of their batch norms, too."""
        super().train(mode)
        for block in self.net.blocks[: self.first]:
            block.eval()
        return self

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, 1, 1, width), mask (B, 1)."""
        images = self.image(waveforms, mask).contiguous(memory_format=torch.channels_last)
        maps = self.net.convolved(images, self.first)
        states = self.net.connected(maps[-1])[1] if self.attention is None else joined(self._attended(maps))
        return states[:, None, None], mask.new_ones(len(states), 1)

    def connected(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What fc1 and fc2 give (B, fc_width), each after its ReLU; inputs as of `forward`."""
        images = self.image(waveforms, mask).contiguous(memory_format=torch.channels_last)
        return self.net.connected(self.net.convolved(images, self.first)[-1])

    def _attended(self, maps: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Of each attended block its vector (B, channels) and its map (B, height, width)."""
        parts = self.attention or ()
        whole = self.net.connected(maps[-1])[1] if hasattr(self.net, "fc2") else None
        return [part(maps[block], whole) for block, part in zip(ATTENDED, parts, strict=True)]

    @torch.no_grad()
    def seen(self, waveforms: Tensor, mask: Tensor) -> Seen:
        """What attention looks at; see `forward`.

        Raises:
            UserError: if there is no attention.
        """
        if self.attention is None:
            raise UserError("this model has no attention; train one with speech.options.attention=true")
        attended = self._attended(self.net.convolved(self.image(waveforms, mask)))
        maps = {f"block {block + 1}": one for block, (_, one) in zip(ATTENDED, attended, strict=True)}
        spectrogram, valid = self.image.mel(waveforms, mask)
        return Seen(spectrogram, valid, maps)


def _first(train: str | int, pretrained: str | None) -> int:
    """So many blocks do not train.

    Raises:
        UserError: if there is no such block, or all would stay random.
    """
    if isinstance(train, str):
        frozen = HALVINGS if train == CLASSIFIER else 0
    elif 1 <= train <= HALVINGS:
        frozen = train - 1
    else:
        raise UserError(
            f"train should be all, {CLASSIFIER}, or the first block that trains, 1 to {HALVINGS}, got {train}"
        )
    if frozen and pretrained is None:
        raise UserError(f"train = {train}: without weights the blocks before it would stay random; give train: all")
    return frozen
