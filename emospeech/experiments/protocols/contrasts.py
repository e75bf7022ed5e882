"""Each system of a benchmark against its base: on the same clips, by a paired test, all systems of a table together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from emospeech.experiments.protocols.outcomes import Contrast, Outcome
from emospeech.metrics.differences import Difference, difference, holm

Test = tuple[str, str, str, str]  # a protocol, a task, and the corpora that train and are tested


@dataclass(frozen=True)
class _Pair:
    """A system and the base, in the same test."""

    at: int  # among the outcomes
    value: float
    found: Difference | None  # None: they were not tested on the same clips under as many seeds


def with_base(found: Sequence[Outcome], base: str | None) -> list[Outcome]:
    """The outcomes, each but the base's own with what sets it apart from the base where that has the same test.

    p values are corrected (Holm) over all systems of one test, for whoever looks for the one that is better.
    """
    if base is None:
        return list(found)
    bases = {_test(one): one for one in found if one.row == base}
    pairs: dict[Test, list[_Pair]] = {}
    for at, one in enumerate(found):
        if one.row != base and _test(one) in bases:
            pairs.setdefault(_test(one), []).append(_pair(at, bases[_test(one)], one))
    contrasts = {at: contrast for group in pairs.values() for at, contrast in _corrected(group)}
    return [replace(one, contrast=contrasts.get(at)) for at, one in enumerate(found)]


def _test(one: Outcome) -> Test:
    return one.protocol, one.task, one.trained_on, one.tested_on


def _pair(at: int, base: Outcome, one: Outcome) -> _Pair:
    first, second, value = base.answers, one.answers, one.mean() - base.mean()
    comparable = (first.rows, first.truth, len(first.chosen)) == (second.rows, second.truth, len(second.chosen))
    if not comparable or not first.rows:
        return _Pair(at, value, None)
    labels = list(dict.fromkeys((*base.labels, *one.labels)))
    return _Pair(at, value, difference(first.truth, first.chosen, second.chosen, labels))


def _corrected(pairs: Sequence[_Pair]) -> Iterable[tuple[int, Contrast]]:
    tested = [pair for pair in pairs if pair.found is not None]
    corrected = dict(
        zip([pair.at for pair in tested], holm([pair.found.p for pair in tested if pair.found]), strict=True)
    )
    for pair in pairs:
        if pair.found is None:
            yield pair.at, Contrast(pair.value)
        else:
            yield (
                pair.at,
                Contrast(pair.found.value, pair.found.low, pair.found.high, pair.found.p, corrected[pair.at]),
            )
