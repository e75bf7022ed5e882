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
    contrast = Contrast(found.value, found.low, found.high, found.p)
    if first.origins is None or first.origins != second.origins:
        return contrast
    by = difference(first.truth, first.chosen, second.chosen, labels, clusters=first.origins.names)
    return replace(contrast, clustered_low=by.low, clustered_high=by.high, clustered_p=by.p)


def _corrected(group: Mapping[int, Contrast]) -> dict[int, Contrast]:
    """With p values for as many tests as there are."""
    plain, clustered = (_holm({at: getattr(one, name) for at, one in group.items()}) for name in ("p", "clustered_p"))
    return {at: replace(one, p_holm=plain.get(at), clustered_p_holm=clustered.get(at)) for at, one in group.items()}


def _holm(found: Mapping[int, float | None]) -> dict[int, float]:
    tested = {at: p for at, p in found.items() if p is not None}
    return dict(zip(tested, holm(list(tested.values())), strict=True))
