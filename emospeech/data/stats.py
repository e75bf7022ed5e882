"""What a manifest holds: hours, clips, speakers, classes, durations, transcripts; whole, and by corpus and split."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from emospeech.data import audio
from emospeech.runtime.columns import aligned
from emospeech.runtime.console import track

READERS = 8  # threads that read headers: it is waiting for the disk
NONE = "(none)"  # rows without a corpus, split or label


@dataclass(frozen=True)
class Stats:
    """Some rows of a manifest, counted."""

    corpus: str | None  # None: all
    split: str | None
    clips: int
    speakers: int
    groups: int
    timed: int  # clips whose duration is known
    hours: float  # of these
    shortest: float | None  # seconds; None: no duration is known
    median: float | None
    longest: float | None
    transcripts: int  # clips with a transcription that is not blank
    words: int  # of these, between spaces
    classes: dict[str, int]  # label -> clips, the most frequent first; at the end `(none)`, those without one


def durations(manifest: pd.DataFrame) -> pd.Series:
    """Seconds of each row: the column's, else what the header of its file says, else NaN."""
    seconds = manifest["duration"].astype("float64")
    open_ones = manifest["audio"][seconds.isna() & manifest["audio"].notna()]
    if len(open_ones):
        with ThreadPoolExecutor(READERS) as pool:
            read = list(track(pool.map(audio.duration, open_ones), "reading headers", len(open_ones)))
        seconds[open_ones.index] = pd.Series(read, index=open_ones.index, dtype="float64")
    return seconds


def parts(manifest: pd.DataFrame, seconds: pd.Series) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(corpus, split, rows) in the order in which they first come, `duration` filled.

    Args:
        seconds: as `durations` gives them.
    """
    rows = manifest.assign(
        duration=seconds, corpus=manifest["corpus"].fillna(NONE), split=manifest["split"].fillna(NONE)
    )
    for (corpus, split), part in rows.groupby(["corpus", "split"], sort=False):
        yield str(corpus), str(split), part


def stats(manifest: pd.DataFrame, seconds: pd.Series) -> list[Stats]:
    """Of each corpus and split; then, where these are several, of all rows. The arguments are those of `parts`."""
    counted = [_counted(rows, corpus, split) for corpus, split, rows in parts(manifest, seconds)]
    return counted if len(counted) == 1 else [*counted, _counted(manifest.assign(duration=seconds), None, None)]


def _counted(rows: pd.DataFrame, corpus: str | None, split: str | None) -> Stats:
    known = rows["duration"].dropna()
    spread = (known.min(), known.median(), known.max()) if len(known) else ()
    shortest, median, longest = (round(float(value), 3) for value in spread) if spread else (None, None, None)
    labels = rows["label"].value_counts()
    if len(rows) > labels.sum():
        labels[NONE] = len(rows) - labels.sum()
    texts = rows["transcription"].dropna().str.split()
    texts = texts[texts.str.len() > 0]
    return Stats(
        corpus=corpus,
        split=split,
        clips=len(rows),
        speakers=rows["speaker"].nunique(),
        groups=rows["group"].nunique(),
        timed=len(known),
        hours=round(float(known.sum()) / 3600, 4),
        shortest=shortest,
        median=median,
        longest=longest,
        transcripts=len(texts),
        words=int(texts.str.len().sum()),
        classes={str(label): int(count) for label, count in labels.items()},
    )


def lines(counted: list[Stats]) -> list[str]:
    """For a terminal: a table with a row for each `Stats`; under it their classes."""
    head = ["corpus", "split", "clips", "hours", "speakers", "groups", "shortest", "median", "longest"]
    body = [
        [one.corpus or "all", one.split or "", one.clips, f"{one.hours:.2f}" if one.timed else "-"]
        + [one.speakers or "-", one.groups or "-"]
        + [f"{value:.2f} s" if value is not None else "-" for value in (one.shortest, one.median, one.longest)]
        + [f"{one.transcripts / one.clips:.1%}", one.words or "-"]
        for one in counted
    ]
    labels = list(counted[-1].classes)
    classes = [
        [one.corpus or "all", one.split or "", *(one.classes.get(name, 0) for name in labels)] for one in counted
    ]
    told = aligned([[*head, "transcripts", "words"], *body], left=2)
    told += ["", *aligned([["corpus", "split", *labels], *classes], left=2)]
    whole = counted[-1]
    if whole.timed < whole.clips:
        told.append(
            f"{whole.clips - whole.timed} of {whole.clips} clips: duration unknown, no audio or no readable header"
        )
    return told
