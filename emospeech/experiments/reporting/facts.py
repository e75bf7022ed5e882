"""What was trained on what, in words and in a table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.config import Recipe
from emospeech.data.origins import KNOWN_BY
from emospeech.experiments.reporting.sources import Sources
from emospeech.runtime.errors import UserError

PARTS = ("train", "dev", "test")
KINDS = {"neural": "a network", "classical": "a classical system"}
SYNTHETIC = "demo"  # the corpus that this project makes
WEIGHTS = "classifier.layer_mix.weights"  # in model.safetensors


def summary(sources: Sources) -> tuple[str, ...]:
    """Sentences that stand above all scores: no number without what it is of."""
    return (*_trained(sources), *_scored(sources))


def _trained(sources: Sources) -> Iterator[str]:
    recipe, split = sources.recipe, sources.split
    if recipe is not None and split is not None:
        count = int((split["split"] == "train").sum())
        corpora = " and ".join(dict.fromkeys(part.name or part.corpus for part in recipe.data.parts))
        kind = KINDS.get(recipe.system, recipe.system)
        yield f"{recipe.name} is {kind}, trained on {count} clips of {corpora}{_by(sources)}."
    if recipe is not None and SYNTHETIC in {part.corpus for part in recipe.data.parts}:
        yield f"The voices of the {SYNTHETIC} corpus are synthetic: what is scored here says nothing about people."
    if recipe is not None and recipe.data.limit is not None:
        yield f"It was a quick look: at most {recipe.data.limit} clips of each part (data.limit)."
    if recipe is not None and recipe.data.refit:
        yield (
            "The model was at last trained again on the dev clips, too. The dev scores and dev predictions here are "
            "those of the model before that; what its attention weighed in dev clips is the later model's."
        )


def _by(sources: Sources) -> str:
    if sources.manifest is None:
        return ""
    train = sources.manifest[sources.manifest["split"] == "train"]
    told = [f"{train[name].nunique()} {what}" for name, what in KNOWN_BY.items() if train[name].notna().any()]
    return f" ({', '.join(told)})" if told else " (whose speakers and recordings nobody tells)"


def _scored(sources: Sources) -> Iterator[str]:
    steers = sources.recipe is not None and sources.recipe.train.keep == "best" and sources.recipe.system == "neural"
    for name, scores in sources.scores.items():
        note = "; the weights that did best on them were kept, which flatters them" if name == "dev" and steers else ""
        yield f"{name}: {scores['count']} clips, {heard(scores)}{note}."


def heard(scores: Mapping[str, Any]) -> str:
    """Whether scores are of people and recordings that training knows.

    >>> heard({"count": 9, "unseen": {"what": "new speakers", "count": 9}})
    'all of them of new speakers'
    """
    new = scores.get("unseen")
    if new is None:
        return "and nobody can tell whether training has heard their speakers or recordings"
    if new["count"] == scores["count"]:
        return f"all of them of {new['what']}"
    if not new["count"]:
        return f"none of them of {new['what']}: training has heard all of these"
    return f"{new['count']} of them of {new['what']}; the others' training has heard"


def data(sources: Sources) -> pd.DataFrame:
    """A row a part: clips, speakers and recordings where they are told, and clips of each class."""
    if sources.split is None:
        return pd.DataFrame()
    labels = next(iter(sources.scores.values()))["labels"]
    rows = [_row(name, sources, labels) for name in PARTS if (sources.split["split"] == name).any()]
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def _row(name: str, sources: Sources, labels: Sequence[str]) -> dict[str, Any]:
    assert sources.split is not None
    own = sources.split[sources.split["split"] == name]
    row: dict[str, Any] = {"part": name, "clips": len(own)}
    for column, what in KNOWN_BY.items():
        known = None if sources.manifest is None else sources.manifest[sources.manifest["split"] == name][column]
        row[what] = None if known is None or known.isna().all() else int(known.nunique())
    unlabelled = int(own["label"].isna().sum())
    counts = {label: int((own["label"] == label).sum()) for label in labels}
    return {**row, **counts, "without label": unlabelled or None}


def facts(recipe: Recipe | None) -> tuple[tuple[str, str], ...]:
    """What was trained, in few words."""
    if recipe is None:
        return ()
    return (*FACTS[recipe.system](recipe), *_divided(recipe))


def _neural(recipe: Recipe) -> list[tuple[str, str]]:
    found = []
    for name, part in (("speech", recipe.speech), ("text", recipe.text)):
        if part is not None:
            found.append((name, f"{part.encoder} ({part.train.name})" if "/" in part.encoder else part.encoder))
    model = recipe.model
    if len(found) > 1:
        found.append(("fusion", model.fusion.name))
    mixed = f"{model.mixer.name}, then {model.pooling.name}" if model.mixer else model.pooling.name
    return [*found, ("pooling over time", mixed), ("loss", recipe.train.loss.name), ("seed", str(recipe.train.seed))]


def _classical(recipe: Recipe) -> list[tuple[str, str]]:
    assert recipe.classical is not None
    own = recipe.classical
    models = dict.fromkeys((member.model or own.model).name for member in own.vote) or [own.model.name]
    features = ", ".join(one.name for one in own.features)
    return [("features", features), ("model", ", ".join(models)), ("standardised by", own.normalise)]


FACTS = {"neural": _neural, "classical": _classical}


def _divided(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The corpora, by the names of their folders alone, and how each was divided: what differs from the defaults."""
    for part in recipe.data.parts:
        name = part.name or part.corpus
        asked = part.split.model_dump(exclude_defaults=True)
        words = ", ".join(f"{key} {_plain(value)}" for key, value in asked.items())
        yield "corpus", f"{name}, in a folder {Path(part.root).name}"
        yield f"split of {name}", words or "as the corpus gives it, else drawn"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def history(path: Path) -> list[dict[str, float]]:
    """The validations of a fit; none of a system that has no steps.

    Raises:
        UserError: if the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return [one for one in lines if {"step", "train_loss", "dev_macro_f1"} <= set(one)]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def layers(model: Path, recipe: Recipe | None) -> tuple[tuple[str, float], ...]:
    """The learned weights of the speech encoder's layers, raw, by name; none where there are not several."""
    path = model / "model.safetensors"
    if not path.is_file():
        return ()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as stored:
            weights = stored.get_tensor(WEIGHTS).tolist() if WEIGHTS in set(stored.keys()) else []
    except SafetensorError as error:
        raise UserError(f"{path} is damaged: {error}") from None
    asked = recipe.speech.layers if recipe is not None and recipe.speech is not None else None
    # of all transformer layers the first is numbered 1, as in transformers' hidden_states
    numbers = asked if isinstance(asked, list) and len(asked) == len(weights) else range(1, len(weights) + 1)
    return tuple((f"layer {number}", weight) for number, weight in zip(numbers, weights, strict=True))


def environment(path: Path) -> tuple[tuple[str, str], ...]:
    """The machine and the software of a run's last start.

    Raises:
        UserError: if the file is missing or damaged.
    """
    try:
        last = json.loads(path.read_text(encoding="utf-8"))[-1]
        told = {
            "trained": last["time"],
            "command": " ".join(last["command"]),
            "commit": last["commit"] or "not from a checkout",
            **{f"hardware: {key}": value for key, value in last["hardware"].items()},
            **{key: value for key, value in last["versions"].items() if value},
        }
        return tuple((key, str(value)) for key, value in told.items())
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
