"""What every kind of vector gives: a row of numbers a clip, each with a name."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import pandas as pd


class ClipFeatures(Protocol):
    """Vectors that are computed clip by clip, whatever the other clips are."""

    @property
    def names(self) -> Sequence[str]:
        """(D,) one for each number, as `functionals:mfcc_3_mean`; known once `of` ran."""

    @property
    def needs(self) -> Literal["audio", "transcription"]:
        """The manifest's column that it hears or reads."""

    def of(self, manifest: pd.DataFrame) -> np.ndarray:
        """float32 (rows, D), in the order of the rows; computed where not kept, and kept on the way.

        Raises:
            UserError: naming the clips that cannot be heard, or have no transcription.
            WorkError: if what is kept is damaged again and again.
        """

    def forget(self) -> None:
        """Let go of what memory holds of rows; what a store keeps on disk stays."""
