"""One recipe under several seeds: a run each, one after another, and how much the score owes to chance."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from emospeech.config import Recipe, as_yaml
from emospeech.experiments import run as experiment
from emospeech.experiments.run import Result
from emospeech.experiments.scoring import values
from emospeech.runtime import distributed, runs, turns
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, gather, some
from emospeech.runtime.files import write_json, write_text
from emospeech.runtime.runs import RunFolder

SUMMARY, TABLE = "seeds.json", "seeds.csv"


@dataclass(frozen=True)
class Summary:
    """Macro-F1 under each seed, and over all."""

    scores: pd.DataFrame  # seed, run (its folder's name), dev, and test where it has labels
    mean: Mapping[str, float]  # by part: dev, test
    deviation: Mapping[str, float | None]  # standard deviation with n - 1; None of one seed


def run(recipes: Sequence[Recipe], resume: bool = False, overwrite: bool = False) -> Iterator[str]:
    """Train each recipe, and give the lines to print: each run's, then a table of all, also kept beside the runs.

    Args:
        recipes: alike but for their seeds and names, in one `runs_dir` of their own.
        resume: finished runs are left, begun ones go on, the others start.

    Raises:
        UserError: if a run may not go into its folder, before the first starts; or as a single run does.
        Interrupted: if asked to stop; `resume` goes on from there.
    """
    distributed.start()
    folder = Path(recipes[0].runs_dir).expanduser()
    resume, overwrite = distributed.on_main(partial(turns.asked_anew, [*map(_folder, recipes)], resume, overwrite))
    distributed.on_main(lambda: _refuse_or_continue(recipes, folder, resume, overwrite))
    distributed.on_main(lambda: _forget_summary(folder))
    others = sorted(path.parent.name for path in folder.glob("seed_*/config.yaml"))
    if left := [name for name in others if name not in {recipe.name for recipe in recipes}]:
        say(f"note: {some(left)} of an earlier command stay in {folder} and are no part of this summary")
    results: dict[int, Result] = {}
    for number, recipe in enumerate(recipes):
        say(f"-- seed {recipe.train.seed}, {number + 1} of {len(recipes)}")
        # all old runs end when the first new one begins: resuming must not find one that looks finished
        outdated = [_folder(later) for later in recipes[1:]] if overwrite and number == 0 else []
        like = None if number == 0 else _folder(recipes[0])  # one way of storing features, whatever room is left
        result = experiment.run(recipe, resume, overwrite, outdated, like)
        results[recipe.train.seed] = result
        for name, scores in result.scores.items():
            yield f"seed {recipe.train.seed}  {values.summary(name, scores)}"
    summary = distributed.on_main(lambda: summed_up(results))
    distributed.on_main(lambda: _keep(summary, folder))
    yield ""
    yield from lines(summary)
    yield f"runs: {folder}"


def _folder(recipe: Recipe) -> RunFolder:
    return RunFolder(Path(recipe.runs_dir).expanduser() / recipe.name)


def _refuse_or_continue(recipes: Sequence[Recipe], folder: Path, resume: bool, overwrite: bool) -> None:
    if RunFolder(folder).started:
        raise UserError(
            f"{folder} is a single run, so runs of several seeds cannot go into it; choose another name with name=…"
        )
    summary = folder / SUMMARY
    if summary.exists() and not (resume or overwrite):
        raise UserError(
            f"{folder} holds runs of several seeds, summed up in {summary.name}; go on with --resume, "
            "replace them with --overwrite, or choose another name with name=…"
        )
    gather(
        f"these runs cannot go into {folder}",
        [partial(runs.refuse_or_continue, _folder(one), as_yaml(one), resume, overwrite) for one in recipes],
    )


def _forget_summary(folder: Path) -> None:
    """It comes back with the last run: what it says is always of runs that are finished."""
    for name in (SUMMARY, TABLE):
        (folder / name).unlink(missing_ok=True)


def summed_up(results: Mapping[int, Result]) -> Summary:
    """
    Args:
        results: by seed.

    Raises:
        UserError: if the runs were not trained and scored on the same rows.
    """
    splits = {result.folder.path.name: result.folder.split.read_text(encoding="utf-8") for result in results.values()}
    first, *others = splits
    different = [name for name in others if splits[name] != splits[first]]
    if different:
        raise UserError(
            f"{some(different)}: trained or scored on other rows than {first}, so their scores have no common mean; "
            "the corpus has changed between them: train all anew with --overwrite"
        )
    parts = list(next(iter(results.values())).scores)
    values = {part: [result.scores[part]["macro_f1"] for result in results.values()] for part in parts}
    return Summary(
        scores=pd.DataFrame({"seed": list(results), "run": list(splits), **values}),
        mean={part: statistics.fmean(scores) for part, scores in values.items()},
        deviation={part: statistics.stdev(scores) if len(scores) > 1 else None for part, scores in values.items()},
    )


def lines(summary: Summary) -> Iterator[str]:
    """The summary as a table for people."""
    yield f"{'seed':<10}" + "".join(f"{part + ' macro-F1':>20}" for part in summary.mean)
    for row in summary.scores.to_dict("records"):
        yield f"{row['seed']:<10}" + "".join(f"{row[part]:>20.4f}" for part in summary.mean)
    spread = {part: "-" if value is None else f"{value:.4f}" for part, value in summary.deviation.items()}
    yield f"{'mean ± sd':<10}" + "".join(f"{f'{mean:.4f} ± {spread[part]}':>20}" for part, mean in summary.mean.items())


def _keep(summary: Summary, folder: Path) -> None:
    named = summary.scores.rename(columns={part: f"{part}_macro_f1" for part in summary.mean})
    write_text(folder / TABLE, named.to_csv(index=False, lineterminator="\n"))
    over_all = {
        f"{part}_macro_f1": {"mean": mean, "standard_deviation": summary.deviation[part]}
        for part, mean in summary.mean.items()
    }
    write_json(folder / SUMMARY, {"seeds": named.to_dict("records"), **over_all})
