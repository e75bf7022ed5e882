"""A clip's waveform, and over the same time what the network weighed, as a small SVG."""

import numpy as np
from markupsafe import Markup

from emospeech.outputs.report.content import Clip

WIDTH, WAVE, GAP, STRIP = 480, 56, 4, 28  # units of the drawing: its width; heights of waveform, space, attention
PARTS = 4  # of the time axis
SAME = 1e-3  # weights that differ by less, as a share of the largest, are the same


def drawn(clip: Clip) -> Markup:
    """The waveform, below it the attention over time where it is known, then seconds; empty without sound."""
    if clip.envelope is None:
        return Markup("")
    height = WAVE + (0 if clip.attention is None else GAP + STRIP)
    told = described(clip)
    attention = "" if clip.attention is None else f'<path class="weights" d="{_strip(clip.attention)}"/>'
    return Markup(
        '<svg class="wave" role="img" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-label="{}"><title>{}</title>'
        '<path class="sound" d="{}"/>{}<path class="ticks" d="{}"/></svg>{}<p class="soft legend">{}</p>'
    ).format(
        WIDTH, height, told, told, _band(clip.envelope), Markup(attention), _ticks(height), _axis(clip), _legend(clip)
    )


def described(clip: Clip) -> str:
    """What the drawing shows, in words."""
    told = f"Waveform of {clip.seconds:.1f} s" if clip.seconds is not None else "Waveform"
    at = peak(clip)
    return told if at is None else f"{told}; below it attention over time, the most at {at:.1f} s"


def _ticks(height: int) -> str:
    """Lines from top to bottom at the seconds of `_axis`."""
    return "".join(f"M{WIDTH * part / PARTS:.0f} 0V{height}" for part in range(PARTS + 1))


def _axis(clip: Clip) -> Markup:
    """Seconds at the start, the end, and between; as text beside the drawing, which is stretched."""
    if clip.seconds is None:
        return Markup("")
    digits = 1 if clip.seconds >= PARTS else 2
    marks = (f"{clip.seconds * part / PARTS:.{digits}f}" for part in range(PARTS + 1))
    told = Markup("").join(Markup("<span>{}&nbsp;s</span>").format(mark) for mark in marks)
    return Markup('<p class="axis" aria-hidden="true">{}</p>').format(told)


def _legend(clip: Clip) -> str:
    """What the drawing shows, for who sees it."""
    assert clip.envelope is not None
    top = float(np.abs(clip.envelope).max())
    wave = f"Waveform, scaled to this clip’s own peak ({top:.2f} of full scale)"
    if clip.attention is None:
        return f"{wave}."
    return f"Above: {wave[0].lower()}{wave[1:]}. Below: attention over time, its highest step at full height."


def peak(clip: Clip) -> float | None:
    """The second with most attention; None where it is not known, or is the same throughout."""
    if clip.attention is None or clip.seconds is None or np.ptp(clip.attention) <= SAME * clip.attention.max():
        return None
    return (int(clip.attention.argmax()) + 0.5) / len(clip.attention) * clip.seconds


def _band(envelope: np.ndarray) -> str:
    """Between lowest and highest samples, the loudest of the clip reaching the edge."""
    top = max(float(np.abs(envelope).max()), 1e-6)
    x = np.linspace(0, WIDTH, len(envelope))
    low, high = (WAVE / 2 * (1 - envelope[:, k] / top * 0.96) for k in (0, 1))
    upper = zip(x, high, strict=True)
    lower = zip(x[::-1], low[::-1], strict=True)
    return "M" + "L".join(f"{a:.0f} {b:.1f}" for a, b in [*upper, *lower]) + "Z"


def _strip(attention: np.ndarray) -> str:
    """Steps, the highest reaching the top of the strip."""
    bottom = WAVE + GAP + STRIP
    heights = attention / max(float(attention.max()), 1e-12) * STRIP
    width = WIDTH / len(attention)
    steps = "".join(f"V{bottom - height:.1f}H{(k + 1) * width:.0f}" for k, height in enumerate(heights))
    return f"M0 {bottom}{steps}V{bottom}Z"
