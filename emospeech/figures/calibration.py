"""Whether probabilities mean what they say."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emospeech.figures import PALETTE, blank, plain
from emospeech.metrics.calibration import Reliability


def reliability(found: Mapping[str, Reliability], title: str) -> Any:
    """A reliability diagram (Guo et al. 2017, arXiv 1706.04599) a row, as before and after a temperature.

    Left: accuracy by confidence as bars, with 95 % intervals (Wilson), the diagonal dashed; right: how many clips each
    bin has. Above the diagonal are too modest, below it too sure.
    """
    figure, panels = blank(9, 0.5 + 3.2 * len(found), columns=2, rows=len(found))
    for (bars, sizes), (name, one) in zip(np.reshape(panels, (-1, 2)), found.items(), strict=True):
        middle, accuracy = np.array(one.lower) + one.width / 2, np.array(one.accuracy)
        errors = np.maximum([accuracy - one.low, np.array(one.high) - accuracy], 0)
        shown = {"width": one.width, "edgecolor": "black", "linewidth": 0.5}
        bars.bar(middle, accuracy, color=PALETTE[4], yerr=errors, ecolor="black", capsize=2, **shown)
        bars.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
        bars.plot(one.confidence, one.accuracy, "o", markersize=3, color=PALETTE[5], label="at the mean confidence")
        bars.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
        bars.set_title(plain(f"{name}: ECE {one.ece:.3f}"), fontsize="medium", loc="left")
        bars.legend(loc="upper left", framealpha=0.9, fontsize="small")
        sizes.bar(middle, one.count, color=PALETTE[1], **shown)
        sizes.set(xlim=(0, 1), xlabel="confidence", ylabel="answers")
    figure.suptitle(plain(title))
    figure.tight_layout()
    return figure
