"""A model soup: one network whose weights are the mean of several's, all of them or those that serve dev.

Source: Wortsman et al. 2022 (arXiv 2203.05482); greedy: their recipe 1.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from safetensors.torch import save as to_bytes
from torch import Tensor

from emospeech.config import Recipe, as_yaml
from emospeech.data import table
from emospeech.experiments import inference
from emospeech.experiments import rows as data_rows
from emospeech.experiments.joined import alike
from emospeech.experiments.joined.alike import Member
from emospeech.experiments.joined.members import Found, found
from emospeech.experiments.scoring import trained_on
from emospeech.experiments.scoring.values import scores_of
from emospeech.metrics.scores import score
from emospeech.outputs import submission
from emospeech.runtime import runs
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, gather
from emospeech.runtime.files import refuse_existing, replacing_folder, write_json, write_text
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build
from emospeech.systems.base import MAIN_TASK
from emospeech.systems.saved import WEIGHTS
from emospeech.training.averaging import averaged, has_statistics

RECORD = "soup.json"
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Soup:
    """What was made of the members."""

    weights: Weights
    members: tuple[Member, ...]  # greedy: by their scores, best first
    kept: tuple[bool, ...]
    scores: tuple[float | None, ...]  # dev macro-F1 of each; None where it is not told
    score: float | None = None  # of the soup
    predictions: pd.DataFrame | None = None  # of the dev rows, by the soup
    truth: tuple[str, ...] = ()  # of those rows


def make(paths: Sequence[Path], output: Path, greedy: bool) -> Iterator[str]:
    """Average the models of these folders into a run folder, written whole or not at all; the lines to print.

    Raises:
        UserError: if the models cannot be averaged, or dev is not what a greedy choice needs.
    """
    refuse_existing(output, "name another run folder, or remove it first")
    submission.require_different(paths)
    folders = gather("not all of these can be averaged", [partial(found, path) for path in paths])
    models = [model for folder in folders for model in folder.models]
    if len(models) < 2:
        raise UserError(f"{paths[0]} is one model; a soup is made of two or more")
    members = gather("not all of these can be averaged", [partial(alike.read, model) for model in models])
    gather("not all of these are alike", [partial(alike.require, members[0], other) for other in members[1:]])
    with replacing_folder(output) as temporary:
        soup = _greedy(members, temporary / "tried") if greedy else _uniform(members)
        if has_statistics(soup.weights):
            say("note: batch-norm statistics are the mean of the members', not estimated anew for the soup")
        _write(soup, folders, temporary, output, "greedy" if greedy else "uniform")
    yield from lines(soup, output)


def _uniform(members: Sequence[Member]) -> Soup:
    weights = averaged([member.model.weights for member in members])
    return Soup(weights, tuple(members), (True,) * len(members), tuple(map(_own_score, members)))


def _own_score(member: Member) -> float | None:
    """Dev macro-F1 as the run tells it."""
    path = RunFolder(member.run).scores
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["dev"]["macro_f1"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


# ---------------------------------------------------------------- greedy


def _greedy(members: Sequence[Member], folder: Path) -> Soup:
    """Best first, each is taken in if dev macro-F1 does not fall by it."""
    dev = _dev_rows(members)
    ask = partial(_predicted, members[0], dev, folder)
    own = [_macro_f1(ask(member.model.weights), dev, members[0]) for member in members]
    order = sorted(range(len(members)), key=lambda k: -own[k])  # of equals the one that was named first
    weights: Weights = members[order[0]].model.weights
    kept, best, picked = [True], own[order[0]], [order[0]]
    for k in order[1:]:
        tried = averaged([members[j].model.weights for j in [*picked, k]])
        reached = _macro_f1(ask(tried), dev, members[0])
        kept.append(reached >= best)
        if kept[-1]:
            weights, best, picked = tried, reached, [*picked, k]
    answers = ask(weights)
    shutil.rmtree(folder)
    told = tuple(members[k] for k in order), tuple(kept), tuple(own[k] for k in order)
    return Soup(weights, *told, best, answers, tuple(dev[MAIN_TASK]))


def _predicted(member: Member, dev: pd.DataFrame, folder: Path, weights: Weights) -> pd.DataFrame:
    """Of a network with these weights, as whoever loads it would have it."""
    shutil.rmtree(folder, ignore_errors=True)
    _write_model(member, weights, folder)
    policy = "silence" if member.model.recipe.data.on_bad_audio == "silence" else "fail"
    return inference.predict(build.load(folder), dev, policy)


def _macro_f1(predictions: pd.DataFrame, dev: pd.DataFrame, member: Member) -> float:
    return score(dev[MAIN_TASK].tolist(), predictions["label"].tolist(), member.model.tasks[MAIN_TASK]).macro_f1


def _dev_rows(members: Sequence[Member]) -> pd.DataFrame:
    """The labelled dev rows that all members were steered by, as `emospeech train` has them.

    Raises:
        UserError: if they had different ones, or have trained on them.
    """
    splits = gather("dev cannot choose among these", [partial(_split, member) for member in members])
    for member, split in zip(members, splits, strict=True):
        if split != splits[0]:
            raise UserError(
                f"{members[0].run} and {member.run} were trained or steered by other rows, so no dev rows are new to "
                "both; leave out --greedy"
            )
    recipe: Recipe = members[0].model.recipe
    wanted = {id: label for id, (part, label) in splits[0].items() if part == "dev" and label}
    dev = data_rows.load(recipe).dev
    dev = dev[dev[MAIN_TASK].notna()].reset_index(drop=True)
    if not wanted or dict(zip(dev["id"], dev[MAIN_TASK], strict=True)) != wanted:
        raise UserError(
            f"the corpus of {members[0].run} no longer has the dev rows of its split.csv, with their labels; put it "
            "back, or leave out --greedy"
        )
    return dev


def _split(member: Member) -> dict[str, tuple[str, str]]:
    """Row -> train, dev or test, and its label.

    Raises:
        UserError: if the run does not tell, or has no dev rows that its weights have not seen.
    """
    path = RunFolder(member.run).split
    if not path.is_file():
        raise UserError(f"{member.run} has no {path.name}, so its dev rows are not known; leave out --greedy")
    if member.model.recipe.data.refit == "train+dev":
        raise UserError(
            f"{member.run}: its weights have seen dev (data.refit: train+dev), so dev cannot choose among them; train "
            "with data.refit=null, or leave out --greedy"
        )
    return _parts(path)


# --------------------------------------------------------------- writing


def _parts(path: Path) -> dict[str, tuple[str, str]]:
    frame = table.read(path, ["id", "label", "split"], "a run's split")
    return {row.id: (row.split, row.label) for row in frame.itertuples()}


def _write_model(member: Member, weights: Weights, folder: Path) -> None:
    """The member's model folder with other weights."""
    shutil.copytree(member.folder, folder, ignore=shutil.ignore_patterns(WEIGHTS))
    (folder / WEIGHTS).write_bytes(to_bytes({k: v.contiguous() for k, v in weights.items()}, metadata={"format": "pt"}))


def _write(soup: Soup, folders: Sequence[Found], at: Path, output: Path, how: str) -> None:
    """All files of the run folder."""
    run, first = RunFolder(at), soup.members[0]
    recipe = first.model.recipe.model_copy(update={"name": output.name, "runs_dir": str(output.parent)})
    _write_model(first, soup.weights, run.model)
    runs.begin(run, as_yaml(recipe), recipe.train.seed, {})
    seen = _seen(soup.members, folders)
    if seen is None:
        say("note: not all of these tell who trained them, so nobody will be warned of rows that the soup has seen")
    else:
        write_text(run.split, table.as_csv(seen))
    trained_on.keep_all(run, [RunFolder(member.run) for member in soup.members])
    if soup.predictions is not None:
        dev = scores_of(soup.truth, soup.predictions["label"].tolist(), first.model.tasks[MAIN_TASK])
        write_text(run.predictions("dev"), table.as_csv(soup.predictions))
        write_json(run.scores, {"dev": {**dev, "trained_on": "train"}})
    told = zip(soup.members, soup.kept, soup.scores, strict=True)
    write_json(
        at / RECORD,
        {
            "how": how,
            "dev_macro_f1": soup.score,
            "members": [
                {"run": str(one.run), "weights_sha256": one.sha256, "dev_macro_f1": own, "kept": kept}
                for one, kept, own in told
            ],
        },
    )


def _seen(members: Sequence[Member], folders: Sequence[Found]) -> pd.DataFrame | None:
    """Who trained or steered any member: `id`, `label`, `split`; a fold of a benchmark trains on what the others test.

    None if one of them does not tell.
    """
    of_folds = [one for one in folders if one.out_of_fold]
    untold = {member.run for member in members} - {path for one in of_folds for path in one.models}
    paths = [RunFolder(run).split for run in sorted(untold)]
    if not all(path.is_file() for path in paths):
        return None
    rank: Callable[[str], int] = ("test", "dev", "train").index
    whole: dict[str, tuple[str, str]] = {}
    told = [_parts(path) for path in paths]
    told += [
        dict.fromkeys(submission.read(one.out_of_fold)["id"], ("train", "")) for one in of_folds if one.out_of_fold
    ]
    for parts in told:
        for id, (part, label) in parts.items():
            former, known = whole.get(id, (part, label))
            whole[id] = max(former, part, key=rank), known or label
    labels, splits = [label for _, label in whole.values()], [part for part, _ in whole.values()]
    return pd.DataFrame({"id": list(whole), "label": labels, "split": splits})


def lines(soup: Soup, output: Path) -> Iterator[str]:
    """To print."""
    for member, kept, own in zip(soup.members, soup.kept, soup.scores, strict=True):
        told = "dev not told" if own is None else f"dev macro-F1 {own:.4f}"
        yield f"{told}  {'in' if kept else 'left out'}  {member.run}"
    if soup.score is not None:
        yield f"dev macro-F1 {soup.score:.4f}  the soup, chosen by these very clips"
    yield f"run: {output}"
