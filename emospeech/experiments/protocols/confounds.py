"""Accent, or only the corpus? Where each corpus has speakers of its own accent, a net that knows the corpora's rooms
and microphones tells accents that it does not hear.

Three answers: how well the corpus itself is told; how well accents are told within a corpus that has several; and how
well on a corpus that did not train.
"""

from collections.abc import Iterator, Mapping, Sequence

from emospeech.config import Protocol
from emospeech.experiments.protocols.outcomes import Outcome

CONFUSED = ("accent", "language")  # tasks of which a corpus often has one class alone
CORPUS = "corpus"


def lines(found: Sequence[Outcome], protocols: Mapping[str, Protocol]) -> Iterator[str]:
    """The answers of a benchmark over several corpora, in which a system tells accents or languages; else none."""
    told = [one for one in found if not one.trained_on]  # corpora that train for each other are told apart there
    for task in CONFUSED:
        of_task = [one for one in told if one.task == task]
        if not any(one.tested_on for one in of_task):
            continue
        yield f"{task}, or only the corpus?"
        yield from (f"  {line}" for line in _answers(task, of_task, told, protocols))


def _answers(
    task: str, of_task: Sequence[Outcome], told: Sequence[Outcome], protocols: Mapping[str, Protocol]
) -> Iterator[str]:
    classes = _classes(of_task)
    if all(len(own) < 2 for own in classes.values()):
        yield f"every corpus has one {task} alone, so {task} cannot be told from corpus here"
    for one in told:
        if one.task == CORPUS and one.overall:
            yield f"{_who(one)}: corpus told with accuracy {_number(one.mean('accuracy'))} ({_by_guess(one)})"
    for one in of_task:
        left_out = protocols[one.protocol].kind == "leave-one-corpus-out"
        if one.overall and not left_out:
            yield f"{_who(one)}: {task} told with accuracy {_number(one.mean('accuracy'))} ({_by_corpus(one, of_task)})"
        elif left_out and one.tested_on:
            yield f"{_who(one)}: {_held_out(task, one, classes)}"
        elif one.tested_on and len(classes[one.tested_on]) > 1:
            accuracy = _number(one.mean("accuracy"))
            yield f"{_who(one)}: within {one.tested_on} told with accuracy {accuracy} ({_by_guess(one)})"


def _classes(of_task: Sequence[Outcome]) -> dict[str, set[str]]:
    """Corpus -> the classes that occur in it."""
    found: dict[str, set[str]] = {}
    for one in of_task:
        if one.tested_on:
            there = {label for label, count in zip(one.labels, one.pooled[0].support, strict=True) if count}
            found.setdefault(one.tested_on, set()).update(there)
    return found


def _held_out(task: str, one: Outcome, classes: Mapping[str, set[str]]) -> str:
    elsewhere = set().union(*(own for corpus, own in classes.items() if corpus != one.tested_on))
    known = classes[one.tested_on] & elsewhere
    if not known:
        return f"{one.tested_on}, held out: none of its classes of {task} is in another corpus, so none can be told"
    unknown = sorted(classes[one.tested_on] - elsewhere)
    lacking = f"; {', '.join(unknown)} cannot be told, being in no other corpus" if unknown else ""
    accuracy = _number(one.mean("accuracy"))
    return f"{one.tested_on}, held out: {task} told with accuracy {accuracy} ({_by_guess(one)}{lacking})"


def _by_guess(one: Outcome) -> str:
    """What its most frequent class alone would give."""
    scores = one.pooled[0]
    return f"its most frequent class alone gives {_number(max(scores.support) / scores.count)}"


def _by_corpus(one: Outcome, of_task: Sequence[Outcome]) -> str:
    """What would come of naming, for each clip, the most frequent class of its corpus."""
    by_corpus = [o.pooled[0] for o in of_task if o.tested_on and (o.protocol, o.row) == (one.protocol, one.row)]
    hits = sum(max(scores.support) for scores in by_corpus)
    return f"knowing the corpus alone gives {_number(hits / one.pooled[0].count)}" if by_corpus else _by_guess(one)


def _who(one: Outcome) -> str:
    return f"{one.protocol}, {one.row}"


def _number(value: float) -> str:
    return f"{value:.3f}"
