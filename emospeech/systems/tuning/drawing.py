"""What to try next: points of a space, drawn by what those before them scored."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from emospeech.config import Range, Tune
from emospeech.config.sections.space import Values

ATTEMPTS = 20  # draws for each new point, before a space is taken to be exhausted
DIGITS = 4  # of a drawn number


def drawn(
    tune: Tune,
    known: Sequence[tuple[Mapping[str, Any], float]],
    count: int,
    is_recipe: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> list[dict[str, Any]]:
    """New points of a space, none of them twice; fewer than asked for, down to none, of a space that has no more.

    By the tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023, arXiv 2304.11127), as Optuna has it.
    The same known points give the same new ones.

    Args:
        known: points and their scores, in the order of their drawing.
        is_recipe: whether a point may be tried.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = tune.space or {}
    kinds = {key: _distribution(values) for key, values in space.items()}
    seed = int(np.random.SeedSequence([tune.seed, len(known)]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for values, score in known:
        placed = {key: _place(values[key], space[key]) for key in space}
        study.add_trial(create_trial(params=placed, distributions=kinds, value=score))
    taken = [dict(values) for values, _ in known]
    new: list[dict[str, Any]] = []
    for _ in range(ATTEMPTS * count):
        asked = study.ask(kinds)
        values = {key: _value(asked.params[key], space[key]) for key in space}
        if values in taken:
            continue
        taken.append(values)
        if is_recipe(values):
            new.append(values)
        else:
            study.tell(asked, state=TrialState.FAIL)
        if len(new) == count:
            break
    return new


def importances(tune: Tune, known: Sequence[tuple[Mapping[str, Any], float]]) -> dict[str, float]:
    """Which share of the scores' variance each key decides, in falling order, 1 in all: functional ANOVA on a random
    forest (Hutter, Hoos and Leyton-Brown 2014), as Optuna has it; empty of too few scores, or one key."""
    import optuna
    from optuna.trial import create_trial

    space = tune.space or {}
    if len({score for _, score in known}) < 4 or len(space) < 2:
        return {}
    study = optuna.create_study(direction="maximize")
    kinds = {key: _distribution(values) for key, values in space.items()}
    for values, score in known:
        placed = {key: _place(values[key], space[key]) for key in space}
        study.add_trial(create_trial(params=placed, distributions=kinds, value=score))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=tune.seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(value) for key, value in found.items() if not math.isnan(value)}


def _distribution(values: Values) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, Range):
        low, high = values.low, values.last
        if values.whole:
            return IntDistribution(int(low), int(high), log=values.log, step=int(values.step or 1))
        return FloatDistribution(low, high, log=values.log, step=values.step)
    return CategoricalDistribution(range(len(values)))  # by place: values may be lists or sections


def _place(value: Any, values: Values) -> Any:
    return value if isinstance(values, Range) else values.index(value)


def _value(drawn: Any, values: Values) -> Any:
    """What was drawn, as it is written into recipes: a number that people can read."""
    if not isinstance(values, Range):
        return values[drawn]
    if values.whole:
        return int(drawn)
    if values.step is not None:
        return float(f"{values.low + round((drawn - values.low) / values.step) * values.step:.12g}")
    return min(max(float(f"{drawn:.{DIGITS}g}"), float(values.low)), float(values.high))
