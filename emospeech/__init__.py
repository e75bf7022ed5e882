"""Speech and text emotion recognition, from raw corpora to a checked leaderboard file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from emospeech.serve.model import Model

__version__ = "0.1.0"


def load(folder: "str | Path") -> "Model":
    """A trained system, to be asked about clips: `emospeech.load("runs/demo")("clip.wav", text="…").label`.

    Raises:
        UserError: if there is none in the folder, or it is damaged.
    """
    from emospeech.serve import model

    return model.load(folder)
