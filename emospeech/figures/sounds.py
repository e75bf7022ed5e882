"""Figures of what is heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emospeech.figures import PALETTE, blank, plain


@dataclass(frozen=True)
class Sound:
    """One row of `heard`."""

    title: str
    waveform: np.ndarray  # (time,)
    mel: np.ndarray  # (frames, bands), logarithm of energies


def heard(sounds: Sequence[Sound], rate: int, hop: int) -> Any:
    """A row a sound: its waveform, its mel spectrogram; all on one scale of time, of level and of shade.

    Args:
        rate: samples a second.
        hop: samples from one frame to the next.
    """
    figure, panels = blank(11, 0.4 + 1.7 * len(sounds), 2, len(sounds))
    panels = np.reshape(panels, (len(sounds), 2))
    longest = max(len(sound.waveform) for sound in sounds) / rate
    loudest = max(float(np.abs(sound.waveform).max(initial=0)) for sound in sounds) or 1.0
    values = np.concatenate([sound.mel.ravel() for sound in sounds])
    # half of the shades would go to what lies below any voice
    darkest, lightest = (np.percentile(values, 20), values.max()) if len(values) else (0.0, 1.0)
    for (wave, mel), sound in zip(panels, sounds, strict=True):
        wave.plot(np.arange(len(sound.waveform)) / rate, sound.waveform, color=PALETTE[0], linewidth=0.4)
        wave.set(xlim=(0, longest), ylim=(-1.05 * loudest, 1.05 * loudest))
        wave.set_title(plain(sound.title), loc="left", fontsize=9)
        frames, bands = sound.mel.shape
        extent = (0.0, frames * hop / rate, 0.0, float(bands))
        if frames:
            mel.imshow(
                sound.mel.T, origin="lower", aspect="auto", extent=extent, vmin=darkest, vmax=lightest, cmap="viridis"
            )
        mel.set(xlim=(0, longest), ylabel="mel band")
    for axes in panels[-1]:
        axes.set_xlabel("time (s)")
    figure.tight_layout()
    return figure
