"""Where a network looks: attention maps over the spectrogram that it sees."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emospeech.figures import blank, plain

TICKS = 6  # on the axis of frequency
SHADE = 0.75  # of the spectrogram where attention is least: it is dimmed that far


def attention_maps(
    spectrogram: np.ndarray,
    maps: Mapping[str, np.ndarray],
    seconds: float,
    bands: Sequence[float],
    title: str,
) -> Any:
    """The spectrogram, and below it once for each map, dark where little attention goes.

    Args:
        spectrogram: (bands, frames), dB, lowest band first.
        maps: name -> (height, width), any size, lowest frequencies first; over the whole clip, spread between places.
        bands: (bands,) centres, Hz.
    """
    figure, panels = blank(6.5, 1.2 + 1.9 * (1 + len(maps)), rows=1 + len(maps))
    extent = (0.0, seconds, -0.5, len(bands) - 0.5)
    shown = {"aspect": "auto", "origin": "lower", "extent": extent}
    named: dict[str, np.ndarray | None] = {"mel spectrogram (dB)": None, **maps}
    ticks = np.linspace(0, len(bands) - 1, TICKS).round().astype(int)
    for axes, (name, one) in zip(np.atleast_1d(panels), named.items(), strict=True):
        image = axes.imshow(spectrogram, cmap="viridis" if one is None else "gray", **shown)
        if one is not None:
            image = axes.imshow(one, cmap="inferno", interpolation="bilinear", alpha=SHADE, vmin=0, **shown)
        axes.set(xlim=extent[:2], ylim=extent[2:], ylabel="Hz")
        axes.set_yticks(ticks, [f"{bands[tick]:.0f}" for tick in ticks])
        axes.set_title(plain(name), fontsize="medium", loc="left")
        figure.colorbar(image, ax=axes, pad=0.02)
    np.atleast_1d(panels)[-1].set(xlabel="time (s)")
    figure.suptitle(plain(title))
    figure.tight_layout()
    return figure
