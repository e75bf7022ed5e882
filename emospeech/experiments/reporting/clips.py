"""The clips that a report shows by themselves: their sound, their words, and what the network weighed in them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from emospeech.data import audio
from emospeech.data.audio import BadAudio
from emospeech.experiments import inference
from emospeech.experiments.reporting import sound
from emospeech.experiments.reporting.errors import chosen
from emospeech.experiments.scoring.calibrated import chances_of
from emospeech.outputs.report.content import Clip, Part, Shown, Word
from emospeech.runtime.console import progress
from emospeech.runtime.errors import UserError, WorkError, some
from emospeech.systems.attention import Attended, attended
from emospeech.systems.base import System

REASONS: Mapping[str, tuple[str, str]] = {
    "worst": ("Worst errors", "The truth got the lowest probability."),
    "sure": ("Most confident errors", "A wrong label got the highest probability; none that stands above."),
    "right": ("Right, for comparison", "Of each class in turn the clip that it was surest of."),
}
NOTHING = 1e-3  # of the attention: what rounding leaves
ABOUT = ("speaker", "gender", "group", "corpus", "accent", "language")  # columns told beside a clip


@dataclass(frozen=True)
class Heard:
    """What is at hand of the chosen clips, by id."""

    rows: pd.DataFrame  # of the manifest, indexed by id
    sounds: Mapping[str, np.ndarray]  # (samples,) at 16 kHz
    players: Mapping[str, str]  # data URIs
    weighed: Mapping[str, Attended]
    without: Mapping[str, str]  # id -> why there is no sound


def shown(
    part: Part,
    predictions: pd.DataFrame,
    manifest: pd.DataFrame | None,
    system: System | None,
    count: int,
    audible: bool = True,
) -> tuple[tuple[Shown, ...], list[str]]:
    """Clips of a part, by reason, and notes on what they lack.

    Args:
        manifest: rows of their corpus; None: not at hand.
        system: to ask for its attention; None: not at hand, or it has none.
        audible: whether their sound is to be on the page; their waveforms are, in any case.
    """
    places = chosen(part.clips, count)
    ids = [part.clips["id"].iloc[k] for own in places.values() for k in own]
    heard, notes = _heard(ids, manifest, system, audible)
    by_id = predictions.drop_duplicates("id").set_index("id")
    labels = part.scores["labels"]
    groups = []
    for reason, own in places.items():
        clips = [_clip(part.clips.iloc[k], part.name, by_id, labels, heard) for k in own]
        if clips:
            groups.append(Shown(*REASONS[reason], tuple(clips)))
    return tuple(groups), notes


def _heard(
    ids: Sequence[str], manifest: pd.DataFrame | None, system: System | None, audible: bool
) -> tuple[Heard, list[str]]:
    if manifest is None:
        return Heard(pd.DataFrame(), {}, {}, {}, {}), []
    rows = manifest[manifest["id"].isin(list(ids))].drop_duplicates("id").reset_index(drop=True)
    listened = rows.set_index("id", drop=False)
    notes: list[str] = []
    weighed: Mapping[str, Attended] = {}
    if system is not None and len(rows):
        try:
            rows = inference.prepared(system, rows, "silence")
            found = attended(system, rows)
            weighed = {} if found is None else dict(zip(rows["id"], found, strict=True))
        except (UserError, WorkError, OSError) as error:
            notes.append(f"no attention of these clips: {error}")
    sounds, without = _sounds(listened.loc[[id for id in ids if id in listened.index]])
    if not audible:
        without |= dict.fromkeys(sounds, "left out (--without-sound)")
        return Heard(rows.set_index("id", drop=False), sounds, {}, weighed, without), notes
    players = sound.embedded(sounds)
    lost = [id for id in sounds if id not in players]
    if lost:
        told = f"{len(lost)} of {len(sounds)} clips are without sound"
        notes.append(f"{told}, as not all fit into the {sound.BUDGET / 1e6:.0f} MB for sound: {some(lost)}")
    without |= dict.fromkeys(lost, "left out for the size of this page")
    return Heard(rows.set_index("id", drop=False), sounds, players, weighed, without), notes


def _sounds(rows: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Id -> samples of clips that can be heard, and of the others why not."""
    found, without = {}, {}
    with progress("listening", len(rows)) as bar:
        for id, path in zip(rows["id"], rows["audio"], strict=True):
            try:
                if pd.isna(path):
                    raise BadAudio("the corpus names no audio of it")
                found[id] = audio.load(path)
            except (BadAudio, OSError) as error:
                without[id] = str(error)
            bar()
    return found, without


def _clip(row: Any, part: str, predictions: pd.DataFrame, labels: Sequence[str], heard: Heard) -> Clip:
    id = row["id"]
    values = chances_of(predictions.loc[[id]], labels)
    chances = [] if values is None else sorted(zip(labels, values[0].tolist(), strict=True), key=lambda one: -one[1])
    known = heard.rows.loc[id] if id in heard.rows.index else None
    samples, weighed = heard.sounds.get(id), heard.weighed.get(id)
    frames = None if weighed is None or samples is None else weighed.frames
    return Clip(
        id=id,
        part=part,
        truth=row["truth"],
        prediction=row["prediction"],
        chances=tuple(chances),
        about=() if known is None else _about(known),
        transcript=() if known is None else _words(known["transcription"], weighed),
        audio=heard.players.get(id),
        without=heard.without.get(id, "" if id in heard.players else "its corpus is not at hand"),
        seconds=None if samples is None else len(samples) / audio.SAMPLE_RATE,
        envelope=None if samples is None else sound.envelope(samples),
        attention=None if frames is None else sound.over_bins(frames),
        shares=() if weighed is None else _shares(weighed),
    )


def _about(row: pd.Series) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(row[name])) for name in ABOUT if name in row and pd.notna(row[name]))


def _words(text: Any, weighed: Attended | None) -> tuple[Word, ...]:
    if pd.isna(text):
        return ()
    if weighed is not None and weighed.words:
        return tuple(Word(word.text, word.weight) for word in weighed.words)
    return tuple(Word(word, None) for word in re.findall(r"\S+", str(text)))


def _shares(weighed: Attended) -> tuple[tuple[str, float], ...]:
    heard = {} if weighed.frames is None else {"speech": float(weighed.frames.sum())}
    read = {"words": sum(word.weight for word in weighed.words)} if weighed.words else {}
    rest = {"the rest (special tokens)": weighed.rest} if read or weighed.rest > NOTHING else {}
    return tuple({**heard, **read, **rest}.items())
