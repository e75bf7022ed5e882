"""Transcripts that look as if a speech recogniser had failed, which nobody hears who reads only scores."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emospeech.data.audit.material import Material
from emospeech.data.audit.report import Finding, NotCheckedError, Severity
from emospeech.data.audit.text import languages
from emospeech.data.audit.text.words import words

LONGEST_PERIOD = 60  # words of a phrase that is looked for again
# People say a word or phrase again for emphasis, mostly twice or three times; a recogniser that is caught in a loop
# goes on until it runs out of room.
LOOP_ROUNDS, LOOP_WORDS = 3, 10
# Whisper decodes again what compresses better than this (Radford et al. 2022, section 4.5) ...
COMPRESSION = 2.4
# ... which only texts of half a minute come near; a short loop shows against other texts of its length.
COMPRESSION_OF_ITS_LENGTH, NEIGHBOURS = 2.0, 50
# Spanish is spoken at 12 to 20 characters a second; slower or faster than this, words are missing or invented.
SLOW, FAST = 3.0, 30.0  # characters per second
MIN_SECONDS = 1.0  # shorter, a word more or less decides
FRAGMENT_WORDS = 3
SHOWN = 200  # letters of a transcript in the details


@dataclass(frozen=True)
class Loop:
    """The longest stretch of a text that says a phrase again and again."""

    period: int  # words of the phrase
    again: int  # words after its first round

    @property
    def rounds(self) -> float:
        return self.again / self.period + 1 if self.period else 1.0

    @property
    def is_failure(self) -> bool:
        return self.rounds >= LOOP_ROUNDS and self.again >= LOOP_WORDS


def longest_loop(text: Sequence[str]) -> Loop:
    """
    >>> longest_loop("y dijo que no vino que no vino que no vino".split())
    Loop(period=3, again=6)
    """
    best = Loop(0, 0)
    for period in range(1, min(len(text) // 2, LONGEST_PERIOD) + 1):
        run = 0
        for k in range(period, len(text)):
            run = run + 1 if text[k] == text[k - period] else 0
            if run >= period and run > best.again:
                best = Loop(period, run)
    return best


def compression(text: str) -> float:
    """How much zlib makes of it: bytes before and after, as Whisper measures it.

    >>> round(compression("no se puede hacer nada, " * 20), 1)
    13.0
    """
    raw = text.encode("utf-8", errors="surrogatepass")
    return len(raw) / len(zlib.compress(raw))


def loops(material: Material) -> list[Finding]:
    """A phrase said again and again, as by a recogniser that does not find the end."""
    found = [longest_loop(text) for text in _words(material)]
    rows = np.array([loop.is_failure for loop in found])
    return _told(
        material, rows, "repetition loop", "warning", "repeat a phrase as a recogniser's loop does",
        rounds=[loop.rounds for loop in found],
    )  # fmt: skip


def compressible(material: Material) -> list[Finding]:
    """Text that says little new: its compression ratio is above Whisper's limit, or twice that of its likes."""
    texts = _texts(material)
    sizes = texts.map(lambda text: len(text.encode("utf-8", errors="surrogatepass"))).to_numpy()
    ratios = np.array([compression(text) if text else 0.0 for text in texts])
    rows = (ratios >= COMPRESSION) | (ratios >= COMPRESSION_OF_ITS_LENGTH * _of_their_length(sizes, ratios))
    return _told(
        material, rows, "compression ratio", "warning", "compress far better than speech of their length",
        ratio=ratios.tolist(),
    )  # fmt: skip


def wrong_language(material: Material) -> list[Finding]:
    """Text in another language than the row's, or where none is given, than most of the table's."""
    texts = _words(material)
    given = material.frame["language"]
    usual = languages.commonest(texts) if given.isna().any() else None
    expected = [usual if pd.isna(one) else str(one) for one in given]
    if not any(one in languages.FUNCTION_WORDS for one in expected):
        raise NotCheckedError(f"language known for {', '.join(languages.FUNCTION_WORDS)} alone")
    instead = [languages.other(text, one) if one else None for text, one in zip(texts, expected, strict=True)]
    rows = np.array([one is not None for one in instead])
    return _told(material, rows, "other language", "warning", "seem to be in another language", language=instead)


def empty(material: Material) -> list[Finding]:
    """No words at all, in a table whose other rows have some."""
    rows = np.array([not text for text in _words(material)])
    return _told(material, rows, "empty transcript", "warning", "have no words")


def fragments(material: Material) -> list[Finding]:
    """Nothing but a preposition or article or two: what a recogniser makes of sound that it does not understand."""
    texts = _words(material)
    known = languages.FUNCTION_WORDS.get(languages.commonest(texts) or "", frozenset())
    rows = np.array([0 < len(text) <= FRAGMENT_WORDS and known.issuperset(text) for text in texts])
    return _told(material, rows, "fragment", "warning", "consist of function words alone")


def speaking_rate(material: Material) -> list[Finding]:
    """Fewer or more characters a second than anybody speaks."""
    texts, heard = _texts(material), seconds(material)
    if heard.isna().all():
        raise NotCheckedError("no row has a duration")
    rate = texts.str.len().astype("Float64") / heard
    rows = ((rate < SLOW) | (rate > FAST)) & (heard >= MIN_SECONDS) & (texts != "")
    return _told(
        material, rows.fillna(False).to_numpy(dtype=bool), "speaking rate", "warning",
        f"have less than {SLOW:g} or more than {FAST:g} characters a second",
        characters_per_second=rate.tolist(),
    )  # fmt: skip


CHECKS: dict[str, Callable[[Material], list[Finding]]] = {
    "empty transcript": empty,
    "fragment": fragments,
    "repetition loop": loops,
    "compression ratio": compressible,
    "other language": wrong_language,
    "speaking rate": speaking_rate,
}


def seconds(material: Material) -> pd.Series:
    """How long each clip is: as heard, else as the manifest says."""
    said = material.frame["duration"].astype("Float64")
    if material.sounds is None:
        return said
    heard = [sound.seconds if sound is not None and sound.fault is None else pd.NA for sound in material.sounds]
    return pd.Series(heard, index=said.index, dtype="Float64").fillna(said)


def _texts(material: Material) -> pd.Series:
    texts = material.frame["transcription"]
    if texts.isna().all():
        raise NotCheckedError("no row has a transcription")
    return texts.fillna("").str.strip()


def _words(material: Material) -> list[list[str]]:
    return [words(text) for text in _texts(material)]


def _of_their_length(sizes: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """The median ratio of the texts nearest in size to each; infinite where there are too few to compare with."""
    if len(sizes) < 2 * NEIGHBOURS:
        return np.full(len(sizes), np.inf)
    order = np.argsort(sizes, kind="stable")
    smooth = pd.Series(ratios[order]).rolling(2 * NEIGHBOURS + 1, center=True, min_periods=NEIGHBOURS).median()
    usual = np.empty(len(sizes))
    usual[order] = smooth
    return usual


def _told(
    material: Material, rows: np.ndarray, check: str, severity: Severity, what: str, **measures: Sequence[object]
) -> list[Finding]:
    """One finding over all parts, with a row of details a clip."""
    rows = material.concerned(rows)
    if not rows.any():
        return []
    frame = material.frame[rows]
    details = pd.DataFrame(
        {
            "id": frame["id"],
            "part": frame["part"],
            **{name: pd.Series(values, dtype=object)[rows] for name, values in measures.items()},
            "transcription": frame["transcription"].str.slice(0, SHOWN),
        }
    )
    parts = "+".join(frame["part"].unique())
    sentence = f"{len(frame)} of {len(material.frame)} transcripts {what}"
    return [Finding(severity, check, parts, len(frame), sentence, details.reset_index(drop=True))]
