"""Speech and text emotion recognition, from raw corpora to a checked leaderboard file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from emospeech.serve.model import Model

__version__ = "0.1.0"


def load(name: "str | Path", *, revision: str | None = None) -> "Model":
    """A trained system, to be asked about clips: `emospeech.load("runs/demo")("clip.wav", text="…").label`.

    Args:
        name: a run folder, a model folder that `emospeech export` wrote, or a Hub id, owner/name.
        revision: a commit, branch or tag of a Hub id; None: the newest.

    Raises:
        UserError: if there is none of that name, or it is damaged.
    """
    from emospeech.serve import model

    return model.load(name, revision=revision)
