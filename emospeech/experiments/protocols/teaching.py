"""Whether a fold teaches what it asks: classes that nothing trains, and folds in which nothing can be learned."""

from collections.abc import Mapping, Sequence

import pandas as pd

from emospeech.experiments.protocols.folds import Fold
from emospeech.runtime.errors import faults, some
from emospeech.systems.base import MAIN_TASK


def taught(
    folds: Sequence[Fold], manifest: pd.DataFrame, tasks: Mapping[str, Sequence[str]]
) -> tuple[list[Fold], list[str]]:
    """The folds in which a system can learn what is asked, and notes on the others.

    Where corpora train for each other, one may have a single class, or none that another is tested on; those folds are
    left out, all of them where a corpus tells the answer. Elsewhere that is a mistake, as every row is to be tested.

    Raises:
        UserError: naming the folds that train one class alone, or no row.
    """
    kept: list[Fold] = []
    idle: dict[str, list[str]] = {}  # why -> folds
    alone = []
    for fold in folds:
        trained = sorted(set(manifest.loc[fold.train, MAIN_TASK].dropna()))
        if len(trained) > 1 and (not fold.tested_on or _asks_what_it_teaches(fold, manifest, tasks)):
            kept.append(fold)
        elif fold.tested_on:
            why = "trains no class that it tests" if len(trained) > 1 else f"trains {_told(trained)}"
            idle.setdefault(why, []).append(fold.name)
        else:
            alone.append(f"{fold.name} trains {_told(trained)}")
    if alone:
        raise faults("nothing can be told apart where one class alone trains; choose other folds", alone)
    if not kept:
        return [], ["left out, as no fold trains what it tests"]
    return kept, [f"{some(names, 6)}: left out, as it {why}" for why, names in idle.items()]


def _asks_what_it_teaches(fold: Fold, manifest: pd.DataFrame, tasks: Mapping[str, Sequence[str]]) -> bool:
    """Whether some class of some task is both trained and tested."""
    sides = (manifest[fold.train], manifest[fold.test])
    return any(
        set.intersection(*(set(rows[task].dropna()) for rows in sides)) for task in tasks_of(fold, manifest, tasks)
    )


def _told(classes: Sequence[str]) -> str:
    return f"{classes[0]} alone" if classes else "no labelled row"


def tasks_of(fold: Fold, manifest: pd.DataFrame, tasks: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The tasks that a fold teaches: the main one, and further ones of which it trains two classes or more."""
    trained = manifest[fold.train]
    return {task: names for task, names in tasks.items() if task == MAIN_TASK or len(set(trained[task].dropna())) > 1}


def untaught(folds: Sequence[Fold], manifest: pd.DataFrame, tasks: Mapping[str, Sequence[str]]) -> list[str]:
    """Further tasks that folds do not teach."""
    notes = []
    for task in tasks:
        if idle := [fold.name for fold in folds if task not in tasks_of(fold, manifest, tasks)]:
            notes.append(f"{some(idle, 6)}: not asked for {task}, as fewer than two of its classes train")
    return notes


def gaps(folds: Sequence[Fold], truth: pd.Series, labels: Sequence[str]) -> list[str]:
    """Classes that folds lack, told once for all folds that lack the same."""
    there = set(truth.dropna())
    nowhere = [label for label in labels if label not in there]
    notes = [f"no row is labelled {', '.join(nowhere)}"] if nowhere else []
    lacking: dict[str, list[str]] = {}
    for fold in folds:
        trained, tested = set(truth[fold.train].dropna()), set(truth[fold.test].dropna())
        absent = [label for label in labels if label in there and label not in trained]
        if asked := [label for label in absent if label in tested]:
            lacking.setdefault(f"no row of {', '.join(asked)} trains, though it is tested", []).append(fold.name)
        elif absent and not fold.tested_on:  # a corpus that neither has the class nor is asked for it lacks nothing
            lacking.setdefault(f"no row of {', '.join(absent)} trains", []).append(fold.name)
    return notes + [f"{some(names, 6)}: {what}" for what, names in lacking.items()]


def by_system(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Notes on each system's folds, each told once: those of all systems as they are, others after their names.

    >>> by_system({"a": ["odd", "rare"], "b": ["odd"]})
    ['odd', 'a: rare']
    """
    whose: dict[str, list[str]] = {}
    for name, own in notes.items():
        for note in own:
            whose.setdefault(note, []).append(name)
    return [note if len(names) == len(notes) else f"{some(names)}: {note}" for note, names in whose.items()]
