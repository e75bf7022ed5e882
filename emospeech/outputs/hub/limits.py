"""What a model card says of use and misuse; not legal advice.

Source of the legal part: Regulation (EU) 2024/1689 (the AI Act), Art. 3(39), 5(1)(f), 50(3), Annex III point 1(c).
"""

from collections.abc import Iterator

from emospeech.outputs.hub.facts import Facts

HOW_IT_CAME = {
    "acted": "Actors, or people asked to act, spoke it. Acted emotion is stronger and more uniform than what people "
    "show in life: expect worse there.",
    "elicited": "It was elicited: felt, or played, in a situation made for it. In other situations expect worse.",
    "natural": "It is natural speech, labelled by listeners: labels are what others heard, not what a speaker felt.",
    "synthetic": "It was spoken by a speech synthesiser. This model has never heard a person: its scores say nothing "
    "about people, and it is of no use for them.",
}
UNTOLD = "Whether its speech was acted or natural is not known."
DECISIONS = (
    "hiring, promotion, dismissal or monitoring of employees",
    "grades, admission or attention of pupils and students",
    "credit, insurance, housing or access to services",
    "policing, border control, courts",
    "medical, psychological or forensic findings",
    "whether somebody lies",
)


def intended(facts: Facts) -> Iterator[str]:
    yield "## Intended use"
    yield ""
    yield (
        "Research on emotion recognition, benchmarks, teaching, and statistics over many clips that people have agreed "
        "to. It names the class that labelled clips of its training data would most likely have; it does not know what "
        "anybody feels."
    )


def limits(facts: Facts) -> Iterator[str]:
    """Whom it was trained on, and what it must not decide."""
    yield "## Limits"
    yield ""
    how = [HOW_IT_CAME[kind] for kind in sorted(facts.speech)] or [UNTOLD]
    yield from (f"- {sentence}" for sentence in how)
    told = ", ".join(facts.languages)
    yield f"- Languages it was trained on: {told or 'not told'}. Of others nothing was measured."
    yield "- Speakers of other ages, accents, recording conditions and cultures than its training data: expect worse."
    yield f"- It always answers with one of its {len(facts.labels)} classes, also for what is none of them."
    yield "- A class is not a feeling. Do not show it to anybody as what they feel."
    if facts.reads and facts.written.learned_words:
        yield "- Its vocabulary was learned from training transcripts: words, names too, can be read from its files."
    yield ""
    yield "It must not decide, or help to decide, on a person. Among others it is not for:"
    yield ""
    yield from (f"- {one}" for one in DECISIONS)


def law(facts: Facts) -> Iterator[str]:
    """The EU AI Act, in short."""
    yield "## EU AI Act"
    yield ""
    yield "Regulation (EU) 2024/1689, in short. This is not legal advice."
    yield ""
    yield (
        "- Art. 3(39): an emotion recognition system identifies or infers emotions or intentions of natural persons "
        "on the basis of their biometric data. " + _biometric(facts)
    )
    yield (
        "- Art. 5(1)(f) prohibits AI systems that infer emotions of a natural person in the areas of workplace and "
        "education institutions, except for medical or safety reasons."
    )
    yield "- Annex III, point 1(c) lists AI systems intended to be used for emotion recognition as high-risk."
    yield "- Art. 50(3): whoever deploys an emotion recognition system informs the persons who are exposed to it."


def _biometric(facts: Facts) -> str:
    if facts.hears:
        return "A voice can be such data, and this model hears voices."
    return "This model reads text alone, which is outside that definition; transcripts of speech may still be personal."
