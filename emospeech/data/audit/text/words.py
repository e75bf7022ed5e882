"""Transcripts as words, in two strengths."""

import re
import unicodedata

import pandas as pd

WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower-case words without punctuation; accents stay.

    >>> words("¿Qué dice? ¡Qué!")
    ['qué', 'dice', 'qué']
    """
    return WORD.findall(unicodedata.normalize("NFC", text).casefold())


def normalised(text: str) -> str:
    """The same words whatever case, punctuation, accents and spaces they are written with.

    >>> normalised("  ¡Sí,\\n señor!") == normalised("si senor")
    True
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(WORD.findall(plain.casefold()))


def keys(transcriptions: pd.Series) -> pd.Series:
    """`normalised` of each; NA where there are no words."""
    found = [pd.NA if pd.isna(text) else normalised(text) or pd.NA for text in transcriptions]
    return pd.Series(found, index=transcriptions.index, dtype="string")
