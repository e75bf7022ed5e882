"""Which language a transcript is in, by its function words: enough to tell that a recogniser wrote another one.

The lists hold the commonest articles, prepositions, conjunctions, pronouns and forms of `to be` and `to have` of each
language. Words that answer, ask or exclaim by themselves (yes, no, what, me) are left out: none of these alone is an
utterance.
"""

from collections import Counter
from collections.abc import Sequence

LISTS = {
    "es": "de la que el en y a los del se las por un para con una su al lo como más o pero sus le ya este porque esta "
    "entre cuando muy sin sobre también me hasta hay donde quien desde nos durante uno ni contra ese mi "
    "te les ha han es son está están era fue ser tiene he hemos e según mis tu",
    "en": "the of and to in is that it for was on are as with his they be at have this from or had by but not were "
    "we when your can an each which she he do how their if will up about out them then these her would him into has my "
    "i you a its our what there who been than so me",
    "pt": "de a o que e do da em um para com uma os no se na por mais as dos como mas ao ele das à seu sua ou quando "
    "muito nos já eu também só pelo pela até isso ela entre depois sem mesmo aos seus quem nas me esse eles você essa "
    "num nem suas meu às minha têm numa pelos são é não está foi ser tem vai uns isto",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec son aux "
    "je mais nous vous on ou si leur elle y cette ces été était ont sa ses d l c qu n j s être fait tout même deux",
    "it": "di e il la che in a per un è del non una i le si da con sono lo come dei nel alla più anche ma al gli della "
    "delle nella ha dal questo o ci se mi io lui lei noi dalla sul sulla suo sua ho hanno era essere degli",
    "ca": "de la i que el en a els del les per un amb una al és no com més es però va ser són l d s n "
    "aquest aquesta els dels pel als ha han hi ho em et ens us què quan també fins sense molt perquè jo nosaltres",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er "
    "dass sie nach wird bei einer um sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr "
    "durch man sein wurde ich wir ihr du was wenn",
}  # fmt: skip
FUNCTION_WORDS = {language: frozenset(text.split()) for language, text in LISTS.items()}
MIN_WORDS = 4  # fewer say too little
MARGIN = 2  # function words that the other language must have more


def counts(words: Sequence[str]) -> dict[str, int]:
    """Language -> how many different function words of it are among the words; one that is said often is one hint.

    >>> found = counts("de la casa que está en el monte".split())
    >>> max(found, key=found.get), found["es"]
    ('es', 6)
    """
    said = set(words)
    return {language: len(said & known) for language, known in FUNCTION_WORDS.items()}


def commonest(texts: Sequence[Sequence[str]]) -> str | None:
    """The language that most of the texts are in, or None where no language is recognised."""
    total: Counter[str] = Counter()
    for words in texts:
        total.update(counts(words))
    return max(total, key=lambda language: total[language]) if total.total() else None


def other(words: Sequence[str], expected: str) -> str | None:
    """The language that a text is in rather than the expected one, or None.

    >>> other("thank you for watching this video".split(), "es"), other("muchas gracias a todos".split(), "es")
    ('en', None)
    """
    if len(words) < MIN_WORDS or expected not in FUNCTION_WORDS:
        return None
    found = counts(words)
    best = max(found, key=lambda language: found[language])
    return best if found[best] >= found[expected] + MARGIN and 2 * found[expected] <= found[best] else None
