"""Word and character error rates of transcripts: case and punctuation left out, numbers as they are written."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextErrors:
    """What turns the references into the hypotheses, with the fewest edits."""

    words: int  # of the references
    substitutions: int
    deletions: int
    insertions: int
    characters: int  # of the references, single spaces between words included
    character_errors: int

    @property
    def wer(self) -> float | None:
        """Word errors for each word of the references; None where there is none."""
        return (self.substitutions + self.deletions + self.insertions) / self.words if self.words else None

    @property
    def cer(self) -> float | None:
        return self.character_errors / self.characters if self.characters else None


def normalised(text: str) -> str:
    """Lower case, punctuation and symbols as spaces, single spaces; accents and numbers stay.

    >>> normalised("¡Ya está!  Son las 3:30, ¿no?")
    'ya está son las 3 30 no'
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(" " if unicodedata.category(sign)[0] in "PSZC" else sign for sign in plain).split())


def text_errors(references: Sequence[str], hypotheses: Sequence[str]) -> TextErrors:
    """Errors over all pairs, each pair aligned by itself.

    >>> found = text_errors(["Hoy vamos al mercado."], ["hoy vamos mercado"])
    >>> found.deletions, found.words, found.wer
    (1, 4, 0.25)
    """
    import jiwer

    split = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
    letters = jiwer.Compose([jiwer.ReduceToListOfListOfChars()])
    truth, given = ([normalised(text) for text in texts] for texts in (references, hypotheses))
    by_word = jiwer.process_words(truth, given, split, split)
    by_letter = jiwer.process_characters(truth, given, letters, letters)
    return TextErrors(
        by_word.hits + by_word.substitutions + by_word.deletions,
        by_word.substitutions,
        by_word.deletions,
        by_word.insertions,
        by_letter.hits + by_letter.substitutions + by_letter.deletions,
        by_letter.substitutions + by_letter.deletions + by_letter.insertions,
    )
