"""The corpora of a recipe as one manifest: each with its labels mapped, its own split and its weight."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from emospeech.config import Data, Part, Recipe
from emospeech.corpora import CORPORA
from emospeech.corpora.groups import with_groups
from emospeech.data import manifest as manifests
from emospeech.data import usable
from emospeech.data.examples import votes
from emospeech.data.manifest import WEIGHT
from emospeech.experiments.rows import dividing
from emospeech.labels import CORAA_SER, SPACES, WORDS, all_in_space
from emospeech.runtime.console import say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError, faults, gather


@dataclass(frozen=True)
class Mixture:
    """What a recipe's corpora hold, every row in its part of the split."""

    manifest: pd.DataFrame
    part: pd.Series  # of each row, the number of its corpus
    labels: tuple[str, ...]
    further: Mapping[str, tuple[str, ...]]  # task -> its classes; its labels are in the manifest's column of that name
    audio_at: str  # where the audio lies, for messages


def read(recipe: Recipe) -> Mixture:
    """Index, map, split and join.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    data, parts = recipe.data, recipe.data.parts
    alone = len(parts) == 1
    reading = [partial(_read_part if alone else _read_one, part, recipe) for part in parts]
    frames = gather("the corpora of this recipe cannot be read", reading)
    if any(part.weight != 1 for part in parts):
        frames = [frame.assign(**{WEIGHT: part.weight}) for frame, part in zip(frames, parts, strict=True)]
    manifest = pd.concat(frames, ignore_index=True)
    part = pd.Series([k for k, frame in enumerate(frames) for _ in range(len(frame))], dtype=int)
    labels = _labels(manifest, _vocabulary(data, parts))
    _check_votes(manifest, data.soft_labels, labels)
    tasks = dict.fromkeys(part.task for part in parts if part.task is not None)
    further = {task: tuple(sorted(set(manifest[task].dropna()))) for task in tasks}
    for task, classes in further.items():
        if len(classes) < 2:
            raise UserError(f"the task {task} needs two labels or more; found: {_listed(classes)}")
    return Mixture(manifest, part, labels, further, CORPORA[parts[0].corpus].audio_at if alone else "")


def _read_one(part: Part, recipe: Recipe) -> pd.DataFrame:
    """One of several, which messages name."""
    name = part.name or part.corpus
    try:
        frame = _read_part(part, recipe)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return _marked(frame, name)


def _read_part(part: Part, recipe: Recipe) -> pd.DataFrame:
    """One corpus, its labels mapped, its rows split."""
    data, root = recipe.data, Path(part.root).expanduser()
    # beside others, a corpus may be without votes
    may_vote = part.task is None and (len(data.parts) == 1 or CORPORA[part.corpus].further_columns)
    manifest = on_main(lambda: _indexed(part.corpus, root, data.soft_labels if may_vote else None))
    manifest = usable.blank_as_absent(manifest) if recipe.may_lack else manifest
    if part.groups is not None:
        path = Path(part.groups).expanduser()
        manifest = on_main(lambda: with_groups(manifest, path))
    manifest, lost = _mapped(manifest, part, None if part.task else data.label_space)
    if part.task is not None:
        labelled = _with_task(manifest[manifest["label"].notna()], part.task)
        return labelled.assign(split=pd.Series("train", index=labelled.index, dtype="string"))
    if len(data.parts) > 1:
        say(f"{part.name or part.corpus}:")
    return dividing.split(manifest, part.split, root, lost)


def _indexed(corpus: str, root: Path, soft_labels: str | None) -> pd.DataFrame:
    if soft_labels is None:
        return CORPORA[corpus].index(root)
    if soft_labels in manifests.COLUMNS:
        raise UserError(f"data.soft_labels: {soft_labels!r} holds no votes; name the column that does")
    if not CORPORA[corpus].further_columns:
        able = [name for name, one in CORPORA.items() if one.further_columns]
        raise UserError(
            f"data.soft_labels: the table of {corpus} has no column {soft_labels!r}; "
            f"a corpus with columns of your own is {' or '.join(able)}"
        )
    return CORPORA[corpus].index(root, [soft_labels])


def _mapped(manifest: pd.DataFrame, part: Part, space: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Labels in other words, then in a space; clips that find no place are left out, which is said aloud.

    Returns:
        the manifest without them, and their ids.

    Raises:
        UserError: if a word is mapped that no clip has, or the labels are no emotions.
    """
    own = set(manifest["label"].dropna())
    if unknown := sorted(set(part.label_map) - own):
        raise UserError(
            f"label_map: no clip of {part.corpus} is labelled {', '.join(unknown)}; there are {_listed(own)}"
        )
    if space is not None and CORPORA[part.corpus].kind != "emotion":
        raise UserError(
            f"the labels of {part.corpus} ({_listed(own)}) are no emotions, so they have no place in the label space "
            f"{space}; give it a head of its own (task: …), or other words (label_map)"
        )
    return _in_words(manifest, part.label_map, space, part.corpus)


def as_trained(manifest: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """New rows with their labels in the words that a run was trained with; those without a place are left out.

    Rows of one of the run's corpora get that one's `label_map`.

    Raises:
        UserError: if no map knows a label.
    """
    parts = [part for part in recipe.data.parts if part.task is None]
    if recipe.data.label_space is None and not any(part.label_map for part in parts):
        return manifest
    maps = {part.corpus: part.label_map for part in reversed(parts)}
    own = {part.corpus for part in parts} & set(manifest["corpus"].dropna())
    label_map = maps[own.pop()] if len(own) == 1 else parts[0].label_map if len(parts) == 1 else {}
    return _in_words(manifest, label_map, recipe.data.label_space, "this manifest")[0]


def _in_words(
    manifest: pd.DataFrame, label_map: Mapping[str, str | None], space: str | None, whose: str
) -> tuple[pd.DataFrame, list[str]]:
    before = manifest["label"].tolist()
    after = [label_map.get(label, label) if isinstance(label, str) else None for label in before]
    if space is not None:
        if strange := sorted({label for label in after if label is not None} - {*WORDS, *CORAA_SER, *SPACES[space]}):
            raise UserError(
                f"label_space: no map knows the labels {', '.join(strange)} of {whose}; say what they are with "
                f"label_map: {{{strange[0]}: …}} (words: {', '.join(WORDS)}; null leaves a class out)"
            )
        after = all_in_space(after, [None if pd.isna(gender) else gender for gender in manifest["gender"]], space)
    lost = pd.Series([isinstance(a, str) and b is None for a, b in zip(before, after, strict=True)], dtype=bool)
    if lost.any():
        counts = manifest["label"][lost].value_counts()
        which = ", ".join(f"{count} {label}" for label, count in counts.items())
        where = f" in {space}" if space else ""
        say(f"note: {lost.sum()} of {len(manifest)} clips of {whose} have no place{where}: {which}; left out")
    manifest = manifest.assign(label=pd.Series(after, dtype="string"))
    return manifest[~lost].reset_index(drop=True), manifest["id"][lost].tolist()


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(sorted(labels)) or "none"


def _with_task(manifest: pd.DataFrame, task: str) -> pd.DataFrame:
    """Its labels in a column of their own."""
    if task in manifests.COLUMNS or task == WEIGHT:
        raise UserError(f"data.mixture: a task cannot be called {task!r}, which is a column of every manifest")
    nothing = pd.Series(pd.NA, index=manifest.index, dtype="string")
    return manifest.assign(**{task: manifest["label"], "label": nothing})


def _marked(manifest: pd.DataFrame, name: str) -> pd.DataFrame:
    """Ids, speakers and groups that are nobody else's."""
    return manifest.assign(**{column: f"{name}/" + manifest[column] for column in ("id", "speaker", "group")})


def _vocabulary(data: Data, parts: Sequence[Part]) -> tuple[str, ...] | None:
    """The labels in their order, where recipe or corpora name them."""
    if data.labels:
        return tuple(data.labels)
    if data.label_space:
        return SPACES[data.label_space]
    own = {CORPORA[part.corpus].labels for part in parts if part.task is None}
    mapped = any(part.label_map for part in parts)
    return own.pop() if len(own) == 1 and not mapped else None


def _check_votes(manifest: pd.DataFrame, column: str | None, labels: Sequence[str]) -> None:
    if column is None:
        return
    if column not in manifest:
        raise UserError(f"data.soft_labels: no corpus of this mixture has a column {column!r}")
    found = votes.faults(manifest[column], manifest["source"], labels)
    if manifest[column].isna().all():
        raise UserError(f"data.soft_labels: the column {column!r} is empty in every row")
    if found:
        raise faults(f"data.soft_labels: {len(found)} rows have votes that cannot be read", found)


def _labels(manifest: pd.DataFrame, known: tuple[str, ...] | None) -> tuple[str, ...]:
    if known is None:
        known = tuple(sorted(set(manifest["label"].dropna())))
    if len(set(known)) < len(known):
        raise UserError(f"data.labels names a label twice: {', '.join(known)}")
    unknown = manifest[manifest["label"].notna() & ~manifest["label"].isin(list(known))]
    if len(unknown):
        raise faults(
            f"{len(unknown)} rows have a label outside {', '.join(known)}",
            [f"{usable.source_of(row)}unknown label {row.label!r}" for row in unknown.itertuples()],
        )
    if len(known) < 2:
        raise UserError(f"a classifier needs two labels or more; found: {', '.join(known) or 'none'}")
    return known
