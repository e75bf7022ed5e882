"""Where predictions come from: a file, or what answers when it is asked."""

from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from emospeech.outputs import submission
from emospeech.runtime.files import content_hash


class Answering(Protocol):
    """What answers when it is asked, such as a trained model; its name is its `str`."""

    @property
    def record(self) -> Any:
        """What identifies it, for who is to make the same again."""

    def predictions(self) -> pd.DataFrame:
        """`id`, `label`, `p_<class>` …"""


Source = Path | Answering


def predictions(source: Source) -> pd.DataFrame:
    """`id`, `label`, and what else there is.

    Raises:
        UserError: if a file is not one of predictions.
    """
    if not isinstance(source, Path):
        return source.predictions()
    return submission.read(source, what="a file of predictions")


def identity(source: Source) -> Any:
    """Of a file its SHA-256."""
    return content_hash(source) if isinstance(source, Path) else source.record
