"""An ensemble of prediction files and of trained models, which answer rows that are named beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.experiments import inference
from emospeech.experiments.joined.members import Found, found
from emospeech.outputs import combined, submission
from emospeech.outputs.members import Members, read
from emospeech.outputs.sources import Source
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, gather, some
from emospeech.runtime.files import content_hash, folder_hash
from emospeech.systems import build
from emospeech.systems.base import MAIN_TASK, as_predictions
from emospeech.systems.saved import read_config

SEED = "seed"  # a column of a benchmark's predictions, where it has several


@dataclass(frozen=True)
class On:
    """The rows that models are to answer, as `emospeech predict` takes them."""

    sources: tuple[Path, ...]  # one manifest, or audio files
    audio: Path | None = None
    on_bad_audio: str = "fail"


@dataclass(frozen=True)
class Models:
    """A member whose models answer now; of several, the mean of their probabilities."""

    path: Path
    models: tuple[Path, ...]
    rows: pd.DataFrame
    on_bad_audio: str

    def __str__(self) -> str:
        return str(self.path)

    @property
    def record(self) -> Mapping[str, str]:
        """Model -> SHA-256 over its files."""
        return {str(path): folder_hash(_model(path)) for path in self.models}

    def predictions(self) -> pd.DataFrame:
        """`id`, `label`, `p_<class>` …"""
        labels = labels_of(self.models[0])
        columns = [f"p_{label}" for label in labels]
        total = np.zeros((len(self.rows), len(labels)))
        for path in self.models:
            say(f"-- {path}")
            total += inference.predict(build.load(path), self.rows, self.on_bad_audio)[columns].to_numpy()
        return as_predictions(self.rows["id"].tolist(), (total / len(self.models)).tolist(), labels)


@dataclass(frozen=True)
class OutOfFold:
    """A benchmark's own predictions of a system; under several seeds the mean of their probabilities."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def record(self) -> str:
        """SHA-256 of the file."""
        return content_hash(self.path)

    def predictions(self) -> pd.DataFrame:
        """`id`, `label`, `p_<class>` …, `fold`; each row once."""
        frame = submission.read(self.path)
        if SEED not in frame:
            return frame
        columns = [name for name in frame if str(name).startswith("p_")]
        chances = frame[columns].apply(pd.to_numeric, errors="coerce")
        means = chances.groupby(frame["id"], sort=False).mean()
        first = frame.drop_duplicates("id").set_index("id")  # folds are drawn once, for all seeds
        return first.assign(**{name: means[name] for name in columns}).reset_index().drop(columns=SEED)


def run(asked: combined.Asked, files: Sequence[Path], on: On | None) -> combined.Done:
    """As `combined.run`, but a member may be a folder with models.

    Args:
        asked: all but its `files`.
        files: the members, files or folders.
        on: what they answer; None if all members are files.

    Raises:
        UserError: if a folder holds no models, they do not fit each other or the rows, or as `combined.run` does.
    """
    submission.require_different(files)
    named = gather("not all of these can be members", [partial(_named, path) for path in files])
    folders = [one for one in named if isinstance(one, Found)]
    if not folders:
        if on is not None:
            raise UserError(
                "--on, --audio and --on-bad-audio are for members that are run folders; all of these are files"
            )
        return combined.run(replace(asked, files=tuple(files)))
    if on is None or not on.sources:
        raise UserError(
            f"{some([one.path for one in folders])}: a run folder; name the rows that it is to answer with --on"
        )
    combined.check_words(asked)
    fitted = combined.is_fitted(asked)
    members = [part for one in named for part in _members(one, fitted)]
    rows = inference.read_rows(on.sources, on.audio)
    answering = tuple(_answering(one, rows, on.on_bad_audio) for one in members)
    whole = replace(asked, files=answering, out_of_fold=_out_of_fold(members, asked.out_of_fold))
    combined.check(whole)
    _check(whole, members, rows)
    _warn(folders, rows)
    done = combined.run(whole)
    return replace(done, record={**done.record, "on": {str(path): content_hash(path) for path in on.sources}})


def _answering(one: Path | Found, rows: pd.DataFrame, on_bad_audio: str) -> Source:
    return one if isinstance(one, Path) else Models(one.path, one.models, rows, on_bad_audio)


def _named(path: Path) -> Path | Found:
    if not path.exists():
        raise UserError(f"no file or folder {path}")
    return found(path) if path.is_dir() else path


def _members(one: Path | Found, fitted: bool) -> Iterator[Path | Found]:
    """Each model by itself; but where something is fitted, the models of a benchmark's system are one member, as its
    out-of-fold predictions are one's."""
    if isinstance(one, Path) or (fitted and one.out_of_fold is not None):
        yield one
        return
    for model in one.models:
        yield Found(model, (model,))


def _out_of_fold(members: Sequence[Path | Found], given: Sequence[Source]) -> tuple[Source, ...]:
    """One for each member, in their order; a benchmark's system has its own, unless one is given for each."""
    own = [OutOfFold(one.out_of_fold) if isinstance(one, Found) and one.out_of_fold else None for one in members]
    if not any(own) or len(given) == len(members):
        return tuple(given)
    lacking = [str(_name(one)) for one, its in zip(members, own, strict=True) if its is None]
    if len(given) != len(lacking):
        need = f"one for each of {some(lacking)}, in this order" if lacking else "none, as each member has its own"
        raise UserError(f"{len(given)} files with --out-of-fold; it takes {need}")
    rest = iter(given)
    return tuple(its or next(rest) for its in own)


def _name(one: Path | Found) -> Path:
    return one.path if isinstance(one, Found) else one


def _check(whole: combined.Asked, members: Sequence[Path | Found], rows: pd.DataFrame) -> None:
    """All that can be found wrong before the first model answers.

    Raises:
        UserError: if files and rows, or the members' classes, do not fit each other, or a model is damaged.
    """
    files = [one for one in members if isinstance(one, Path)]
    models = [path for one in members if isinstance(one, Found) for path in one.models]
    unread = "not all of these models can be read"
    told = dict(zip(models, gather(unread, [partial(labels_of, path) for path in models]), strict=True))
    if files:
        written = read(files)
        told[files[0]] = written.labels
        if wrong := sorted(set(written.ids) ^ set(rows["id"])):
            raise UserError(f"{files[0]} and --on are not about the same rows; one alone has {some(wrong)}")
    first, labels = next(iter(told.items()))
    for path, own in told.items():
        if set(own) != set(labels):
            raise UserError(
                f"{path} tells {', '.join(own)} apart, {first} {', '.join(labels)}; an ensemble needs the same classes"
            )
    if whole.gold is not None:
        to_answer = Members((str(first),), tuple(rows["id"]), tuple(labels), np.empty(0))
        combined.fitted_to(whole.out_of_fold, whole.gold, whole.by, to_answer)
    gather(unread, [partial(build.load, path) for path in models])


def labels_of(path: Path) -> Sequence[str]:
    """The classes that a model tells apart, in its order.

    Raises:
        UserError: if there is no model.
    """
    return read_config(_model(path)).tasks[MAIN_TASK]


def _model(path: Path) -> Path:
    return path / "model" if (path / "model").is_dir() else path


def _warn(folders: Sequence[Found], rows: pd.DataFrame) -> None:
    """Of what a model was trained on it is too sure."""
    for one in folders:
        seen = {id for path in one.models for id in inference.seen_in_training(path, rows)}
        if one.out_of_fold is not None:  # each fold trains on what the others test
            seen |= set(submission.read(one.out_of_fold)["id"]) & set(rows["id"])
        if seen:
            say(f"warning: {len(seen)} of these {len(rows)} rows trained or steered {one.path}: it is too sure of them")
