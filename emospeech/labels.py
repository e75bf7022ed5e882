"""Emotion vocabularies, and the maps between them. The order of a vocabulary is the order of the columns of every
logit and probability.

Corpora keep their own classes, in one spelling of the words (`WORDS`). A recipe brings several corpora together in a
space: `data.label_space`. Every map is a function of a clip's label and, for CORAA SER, of the speaker's gender.
"""

from collections.abc import Mapping, Sequence

# EmoSPeech 2024 (Pan et al., IberLEF 2024), in the order of the published winner's class indices.
EMOSPEECH2024 = ("neutral", "disgust", "anger", "sadness", "joy", "fear")
# Ekman's six basic emotions (1992, Cognition and Emotion 6) and neutral.
EKMAN = ("neutral", "anger", "disgust", "fear", "joy", "sadness", "surprise")
# CORAA SER (SE&R 2022, PROPOR): neutral speech, else the speaker's gender.
CORAA_SER = ("neutral", "non-neutral-female", "non-neutral-male")
# Of a clip of which is known that somebody feels something, and not what: in CORAA SER's space, by gender.
NON_NEUTRAL = "non-neutral"
# The quarters of the plane of arousal and valence (Russell 1980, J. Pers. Soc. Psychol. 39), arousal first.
QUADRANTS = ("high-positive", "high-negative", "low-negative", "low-positive")

SPACES: Mapping[str, tuple[str, ...]] = {
    "emospeech2024": EMOSPEECH2024,
    "ekman": EKMAN,
    "coraa_ser": CORAA_SER,
    "quadrants": QUADRANTS,
}

# Every word that a corpus here uses for an emotion.
WORDS = (
    "neutral", "calm", "joy", "happiness", "sadness", "anger", "fear", "disgust", "surprise", "pleasant-surprise",
    "boredom", "contempt", "motivation", "affection", "tiredness",
)  # fmt: skip
_SAME = {"happiness": "joy", "pleasant-surprise": "surprise"}
_QUADRANT = {
    "joy": "high-positive",
    "happiness": "high-positive",
    "pleasant-surprise": "high-positive",
    "anger": "high-negative",
    "fear": "high-negative",
    "sadness": "low-negative",
    "boredom": "low-negative",
    "tiredness": "low-negative",
    "calm": "low-positive",
}  # neutral lies in the middle, surprise may be good or bad, disgust is neither loud nor quiet
_GENDERS = {"female": "non-neutral-female", "male": "non-neutral-male"}


def in_space(label: str, gender: str | None, space: str) -> str | None:
    """A clip's label in another space; None where the space has no place for it.

    Args:
        label: one of `WORDS`, `NON_NEUTRAL`, or one of CORAA SER's own classes.
        gender: `female`, `male` or None.
        space: a name in `SPACES`.

    >>> in_space("happiness", None, "emospeech2024"), in_space("boredom", None, "ekman")
    ('joy', None)
    >>> in_space("anger", "female", "coraa_ser"), in_space("anger", None, "coraa_ser")
    ('non-neutral-female', None)
    >>> in_space("non-neutral", "male", "coraa_ser"), in_space("non-neutral", "male", "ekman")
    ('non-neutral-male', None)
    """
    if label in SPACES[space]:
        return label
    if (
        label in (NON_NEUTRAL, *CORAA_SER) and space != "coraa_ser"
    ):  # somebody's feeling, of which nothing more is known
        return None
    if space == "coraa_ser":
        return _GENDERS.get(gender or "")
    if space == "quadrants":
        return _QUADRANT.get(label)
    word = _SAME.get(label, label)
    return word if word in SPACES[space] else None


def all_in_space(labels: Sequence[str | None], genders: Sequence[str | None], space: str) -> list[str | None]:
    """`in_space` of each clip; one without a label stays without."""
    both = zip(labels, genders, strict=True)
    return [None if label is None else in_space(label, gender, space) for label, gender in both]
