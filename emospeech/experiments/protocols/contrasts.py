"""Each system of a benchmark against its base: on the same clips, by a paired test, all systems of a table together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from emospeech.experiments.protocols.outcomes import Contrast, Outcome
from emospeech.metrics.differences import difference, holm

Test = tuple[str, str, str, str]  # a protocol, a task, and the corpora that train and are tested


def with_base(found: Sequence[Outcome], base: str | None) -> list[Outcome]:
    """The outcomes, each but the base's own with what sets it apart from the base where that has the same test.

    p values are corrected (Holm) over all systems of one test, for whoever looks for the one that is better.
    """
    if base is None:
        return list(found)
    bases = {_test(one): one for one in found if one.row == base}
    contrasts: dict[Test, dict[int, Contrast]] = {}
    for at, one in enumerate(found):
        if one.row != base and _test(one) in bases:
            contrasts.setdefault(_test(one), {})[at] = _contrast(bases[_test(one)], one)
    corrected = {at: contrast for group in contrasts.values() for at, contrast in _corrected(group).items()}
    return [replace(one, contrast=corrected.get(at)) for at, one in enumerate(found)]


def _test(one: Outcome) -> Test:
    return one.protocol, one.task, one.trained_on, one.tested_on


def _contrast(base: Outcome, one: Outcome) -> Contrast:
    """Tested where both were asked about the same clips, under as many seeds."""
    first, second = base.answers, one.answers
    comparable = (first.rows, first.truth, len(first.chosen)) == (second.rows, second.truth, len(second.chosen))
    if not comparable or not first.rows:
        return Contrast(one.mean() - base.mean())
    labels = list(dict.fromkeys((*base.labels, *one.labels)))
    found = difference(first.truth, first.chosen, second.chosen, labels)
    return Contrast(found.value, found.low, found.high, found.p)


def _corrected(group: Mapping[int, Contrast]) -> dict[int, Contrast]:
    """With p values for as many tests as there are."""
    tested = {at: one.p for at, one in group.items() if one.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {at: replace(one, p_holm=corrected.get(at)) for at, one in group.items()}
