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
from emospeech.labels import CORAA_SER, NON_NEUTRAL, SPACES, WORDS, all_in_space
from emospeech.runtime.console import say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError, faults, gather
from emospeech.systems.base import MAIN_TASK

FOLD = "fold"  # a column of predictions


@dataclass(frozen=True)
class Mixture:
    """What a recipe's corpora hold."""

    manifest: pd.DataFrame
    part: pd.Series  # of each row, the number of its corpus
    names: tuple[str, ...]  # of the corpora
    labels: tuple[str, ...]
    further: Mapping[str, tuple[str, ...]]  # task -> its classes; its labels are in the manifest's column of that name
    audio_at: str  # where the audio lies, for messages


def read(recipe: Recipe, divide: bool = True) -> Mixture:
    """Index, map, split and join.

    Args:
        divide: put every row in its part of the split; else all are there, `split` as the corpora give it.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    data, parts = recipe.data, recipe.data.parts
    alone = len(parts) == 1
    reading = [partial(_read_part if alone else _read_one, part, recipe, divide) for part in parts]
    frames = gather("the corpora of this recipe cannot be read", reading)
    if any(part.weight != 1 for part in parts):
        frames = [frame.assign(**{WEIGHT: part.weight}) for frame, part in zip(frames, parts, strict=True)]
    manifest = pd.concat(frames, ignore_index=True)
    part = pd.Series([k for k, frame in enumerate(frames) for _ in range(len(frame))], dtype=int)
    manifest = _targeted(manifest, data.target)  # anew: names of speakers are now whole
    labels = _labels(manifest, _vocabulary(data, parts), data.target)
    _check_votes(manifest, data.soft_labels, labels)
    further = _classes(manifest, recipe.further_tasks)
    names = tuple(_name(part) for part in parts)
    return Mixture(manifest, part, names, labels, further, CORPORA[parts[0].corpus].audio_at if alone else "")


def _classes(manifest: pd.DataFrame, tasks: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Task -> the labels in its column.

    Raises:
        UserError: naming the tasks that have nothing to be told apart.
    """
    found = {task: tuple(sorted(set(manifest[task].dropna()))) for task in tasks}
    wrong = [
        f"the task {task} needs two labels or more; found: {_listed(classes)} "
        f"({manifest[task].notna().sum()} of {len(manifest)} rows have one)"
        for task, classes in found.items()
        if len(classes) < 2
    ]
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def _name(part: Part) -> str:
    return part.name or part.corpus


def _read_one(part: Part, recipe: Recipe, divide: bool) -> pd.DataFrame:
    """One of several, which messages name."""
    try:
        frame = _read_part(part, recipe, divide)
    except UserError as error:
        raise UserError(f"{_name(part)}: {error}") from None
    return _marked(frame, part)


def _read_part(part: Part, recipe: Recipe, divide: bool) -> pd.DataFrame:
    """One corpus, its labels mapped, its rows split."""
    data, root = recipe.data, Path(part.root).expanduser()
    # beside others, a corpus may be without votes
    may_vote = part.task is None and (len(data.parts) == 1 or CORPORA[part.corpus].further_columns)
    manifest = on_main(lambda: _indexed(part.corpus, root, data.soft_labels if may_vote else None))
    manifest = usable.blank_as_absent(manifest) if recipe.may_lack else manifest
    if part.groups is not None:
        path = Path(part.groups).expanduser()
        manifest = on_main(lambda: with_groups(manifest, path))
    lost: list[str] = []
    if data.target != MAIN_TASK:
        manifest = _targeted(manifest, data.target)
        if part.task is not None:
            say(f"note: {data.target} is to be told, so the task {part.task} of {_name(part)} is not learned")
    else:
        manifest, lost = _mapped(manifest, part, None if part.task else data.label_space)
        manifest = manifest if part.task is None else _with_task(manifest, part.task)
    if not divide:
        return manifest
    if part.only_trains or (manifest["label"].isna().all() and len(data.parts) > 1):
        return _only_training(manifest, recipe, part)
    if len(data.parts) > 1:
        say(f"{_name(part)}:")
    return dividing.split(manifest, part.split, root, lost, recipe.further_tasks)


def _targeted(manifest: pd.DataFrame, target: str) -> pd.DataFrame:
    """With the column that is to be told as its labels."""
    return manifest if target == MAIN_TASK else manifest.assign(label=manifest[target])


def _only_training(manifest: pd.DataFrame, recipe: Recipe, part: Part) -> pd.DataFrame:
    """All rows that have a label, of any task, as training rows.

    Raises:
        UserError: if none has any, though the corpus is to be told as the others are.
    """
    helps = manifest[dividing.labelled(manifest, recipe.further_tasks)]
    if not len(helps) and part.task is None:
        what = f" and none of {', '.join(recipe.further_tasks)}" if recipe.further_tasks else ""
        raise UserError(f"no row has a label{what}, so there is nothing to train on")
    if len(helps) < len(manifest):
        say(f"note: {len(manifest) - len(helps)} rows of {_name(part)} have no label that is learned and are left out")
    return helps.assign(split=pd.Series("train", index=helps.index, dtype="string"))


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
    if space is not None and CORPORA[part.corpus].kind != "emotion" and own - set(part.label_map):
        raise UserError(
            f"the labels of {part.corpus} ({_listed(own)}) are no emotions, so they have no place in the label space "
            f"{space}; give it a head of its own (task: …), or say with label_map what each of them is "
            f"({NON_NEUTRAL}: some emotion)"
        )
    return _in_words(manifest, part.label_map, space, part.corpus)


def as_trained(manifest: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """New rows with their labels in the words that a run was trained with; those without a place are left out.

    Rows of one of the run's corpora get that one's `label_map`.

    Raises:
        UserError: if no map knows a label.
    """
    parts = [part for part in recipe.data.parts if part.task is None]
    if recipe.data.target != MAIN_TASK:
        return _targeted(manifest, recipe.data.target)
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
        known = {*WORDS, NON_NEUTRAL, *CORAA_SER, *SPACES[space]}
        if strange := sorted({label for label in after if label is not None} - known):
            raise UserError(
                f"label_space: no map knows the labels {', '.join(strange)} of {whose}; say what they are with "
                f"label_map: {{{strange[0]}: …}} (words: {', '.join([*WORDS, NON_NEUTRAL])}; "
                "null leaves a class out)"
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
    if task in (*manifests.COLUMNS, WEIGHT, FOLD):
        whose = "predictions" if task == FOLD else "every manifest"
        raise UserError(f"data.mixture: a task cannot be called {task!r}, which is a column of {whose}")
    nothing = pd.Series(pd.NA, index=manifest.index, dtype="string")
    return manifest.assign(**{task: manifest["label"], "label": nothing})


def _marked(manifest: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Ids, speakers and groups that are nobody else's; a corpus that is given a name goes by it."""
    own = {column: f"{_name(part)}/" + manifest[column] for column in ("id", "speaker", "group")}
    if part.name is not None:
        own["corpus"] = pd.Series(part.name, index=manifest.index, dtype="string")
    return manifest.assign(**own)


def _vocabulary(data: Data, parts: Sequence[Part]) -> tuple[str, ...] | None:
    """The labels in their order, where recipe or corpora name them."""
    if data.labels:
        return tuple(data.labels)
    if data.target != MAIN_TASK:
        return None
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


def _labels(manifest: pd.DataFrame, known: tuple[str, ...] | None, target: str) -> tuple[str, ...]:
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
        where = "" if target == MAIN_TASK else f"data.target={target}: "
        raise UserError(f"{where}a classifier needs two labels or more; found: {', '.join(known) or 'none'}")
    return known
