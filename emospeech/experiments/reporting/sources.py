"""What a run folder holds of itself, and the rows that it was made of, as far as they can be read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from emospeech import config
from emospeech.config import Recipe
from emospeech.data import table
from emospeech.experiments.rows import mixture
from emospeech.runtime.console import hushed
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder

T = TypeVar("T")
NEEDED = ("labels", "macro_f1", "confusion", "count", "support", "precision", "recall", "f1")  # of scores


@dataclass(frozen=True)
class Sources:
    """Of one run."""

    folder: RunFolder
    scores: Mapping[str, Mapping[str, Any]]  # by part
    recipe: Recipe | None
    split: pd.DataFrame | None  # id, label, split
    manifest: (
        pd.DataFrame | None
    )  # of its corpora, with the run's `label` and `split`; rows that it did not use are not
    missing: list[str] = field(default_factory=list)  # what cannot be read, and why

    def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """The result of a piece of work; None, and noted, where it fails for a reason that can be told."""
        return _attempt(self.missing, what, work)

    def truth(self, part: str) -> pd.Series:
        """Id -> label, NA where there is none, of a part's rows."""
        assert self.split is not None
        own = self.split[self.split["split"] == part].drop_duplicates("id")
        return own.set_index("id")["label"]


def _attempt(missing: list[str], what: str, work: Callable[[], T]) -> T | None:
    try:
        return work()
    except (UserError, OSError) as error:
        missing.append(f"{what}: {error}")
        return None


def read(run: Path) -> Sources:
    """
    Raises:
        UserError: if it is no run folder, or has no scores that can be read.
    """
    folder = RunFolder(run)
    scores = _scores(folder)
    missing: list[str] = []
    recipe = _attempt(missing, "the recipe", lambda: config.load(folder.config))
    split = _attempt(missing, "who trained, steered and tested", lambda: _split(folder))
    manifest = None
    if recipe is not None and split is not None:
        what = "speakers, recordings, transcripts and sound, as the corpus is not at hand"
        manifest = _attempt(missing, what, lambda: _manifest(recipe, split))
    return Sources(folder, scores, recipe, split, manifest, missing)


def _scores(folder: RunFolder) -> dict[str, dict[str, Any]]:
    if not folder.path.is_dir():
        raise UserError(f"no run folder {folder.path}")
    if not folder.scores.is_file():
        inside = sorted(path.parent.name for path in folder.path.glob(f"*/{folder.scores.name}"))
        hint = f"name one of the runs in it: {', '.join(inside)}" if inside else "has its training finished?"
        raise UserError(f"{folder.path} has no {folder.scores.name}; {hint}")
    try:
        found = json.loads(folder.scores.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(f"{folder.scores} is damaged: {error}") from None
    parts = found if isinstance(found, dict) else {}
    sound = {name: of for name, of in parts.items() if _sound(of)}
    if not sound or len(sound) < len(parts):
        wrong = ", ".join(set(parts) - set(sound)) or "it"
        raise UserError(f"{folder.scores} is damaged: {wrong} has no scores as `emospeech train` writes them")
    return sound


def _sound(scores: Any) -> bool:
    """Whether scores are those of some classes, and a count of every truth with every prediction."""
    if not isinstance(scores, dict) or not all(key in scores for key in NEEDED):
        return False
    columns = [scores[key] for key in ("labels", "confusion", "support", "precision", "recall", "f1")]
    if not all(isinstance(one, list) and len(one) == len(columns[0]) > 0 for one in columns):
        return False
    return all(isinstance(row, list) and len(row) == len(columns[0]) for row in scores["confusion"])


def _split(folder: RunFolder) -> pd.DataFrame:
    rows = table.read(folder.split, ["id", "label", "split"], "a run's split")
    return rows.assign(label=rows["label"].replace("", None))


def _manifest(recipe: Recipe, split: pd.DataFrame) -> pd.DataFrame:
    """The corpus's rows that the run used, in its order, with its labels."""
    for part in recipe.data.parts:  # to read some corpora is to make them
        if not Path(part.root).expanduser().exists():
            raise UserError(f"no folder {part.root}")
    with hushed():
        rows = mixture.read(recipe, divide=False).manifest
    used = split.drop_duplicates("id").set_index("id")
    rows = rows[rows["id"].isin(used.index)].drop_duplicates("id")
    if not len(rows):
        raise UserError("none of its ids is in the run's split: it is another corpus by now")
    return rows.assign(split=rows["id"].map(used["split"]).astype("string")).reset_index(drop=True)


def predictions(folder: RunFolder, part: str) -> pd.DataFrame | None:
    """Id, label and probabilities as numbers; None where the run has none of this part.

    Raises:
        UserError: if the file cannot be read.
    """
    path = folder.predictions(part)
    if not path.is_file():
        return None
    found = table.read(path, ["id", "label"], "a run's predictions")
    chances = [name for name in found if name.startswith("p_")]
    return found.assign(**{name: pd.to_numeric(found[name], errors="coerce") for name in chances})
