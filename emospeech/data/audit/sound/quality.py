"""What is wrong with the sound of clips."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from emospeech.data.audit.material import Material
from emospeech.data.audit.report import Finding, NotCheckedError, Severity
from emospeech.data.audit.sound.measure import Sound
from emospeech.runtime.errors import some

SHORT, LONG = 0.5, 30.0  # seconds: too little for an emotion; more than an utterance
CLIPPED = 0.001  # share of samples that stand at full scale
OFFSET = 0.01  # mean of the samples, of full scale
SILENCE_SECONDS, SILENCE_SHARE = 1.0, 0.5  # before and after speech, together


def heard(material: Material) -> tuple[Sound | None, ...]:
    """
    Raises:
        NotCheckedError: if nothing was listened to, or no row names audio.
    """
    if material.sounds is None:
        raise NotCheckedError("not asked to listen")
    if not any(material.sounds):
        raise NotCheckedError("no row names an audio file")
    return material.sounds


def missing(material: Material) -> list[Finding]:
    """Files that are named and not there; rows without audio in a table where others have some."""
    sounds = heard(material)
    gone = [sound is not None and sound.missing for sound in sounds]
    absent = [sound is None for sound in sounds]
    paths = material.frame["audio"].tolist()
    return [
        *_told(material, gone, "missing audio", "error", "name an audio file that is not there", audio=paths),
        *_told(material, absent, "missing audio", "warning", "name no audio, where others do"),
    ]


def unreadable(material: Material) -> list[Finding]:
    """Files that cannot be decoded to their end, or hold next to nothing."""
    sounds = heard(material)
    rows = [_fault(sound) is not None and not _is_silent(sound) for sound in sounds]
    return _told(
        material, rows, "unreadable audio", "error", "cannot be read", fault=[_fault(sound) for sound in sounds]
    )


def silent(material: Material) -> list[Finding]:
    """Files in which no sample differs from zero."""
    return _told(material, [_is_silent(sound) for sound in heard(material)], "silent", "error", "are silent")


def clipped(material: Material) -> list[Finding]:
    """Recorded too loud: samples in a row at full scale."""
    share = _measure(material, "clipped")
    what = f"have more than {CLIPPED:.1%} of their samples at full scale"
    return _told(material, share > CLIPPED, "clipped", "warning", what, share=share)


def duration(material: Material) -> list[Finding]:
    """Too short to hold an emotion, or longer than an utterance."""
    seconds = _measure(material, "seconds")
    return [
        *_told(material, seconds < SHORT, "short", "warning", f"last less than {SHORT:g} s", seconds=seconds),
        *_told(material, seconds > LONG, "long", "warning", f"last more than {LONG:g} s", seconds=seconds),
    ]


def dc_offset(material: Material) -> list[Finding]:
    """Samples whose mean is not zero: a fault of the recording's hardware."""
    offset = _measure(material, "offset")
    what = f"have a mean of more than {OFFSET:g} of full scale"
    return _told(material, np.abs(offset) > OFFSET, "DC offset", "warning", what, offset=offset)


def odd_rate(material: Material) -> list[Finding]:
    """Files of another sampling rate than most: of another origin, or converted."""
    rates = [sound.rate if sound is not None else None for sound in heard(material)]
    known = Counter(rate for rate in rates if rate is not None)
    if not known:
        raise NotCheckedError("no file tells its sampling rate")
    usual = known.most_common(1)[0][0]
    others = [f"{rate} Hz: {count}" for rate, count in known.most_common()[1:]]
    rows = [rate is not None and rate != usual for rate in rates]
    return _told(
        material, rows, "sampling rate", "note", f"have another rate than most, {usual} Hz ({some(others)})", rate=rates
    )


def silence_around(material: Material) -> list[Finding]:
    """Long silence before or after speech, whose length may tell the label."""
    lead, trail, seconds = (_measure(material, name) for name in ("lead", "trail", "seconds"))
    rows = (lead + trail > SILENCE_SECONDS) & (lead + trail > SILENCE_SHARE * seconds)
    what = f"are silence for more than {SILENCE_SECONDS:g} s and {SILENCE_SHARE:.0%} of their length, at the ends"
    return _told(material, rows, "silence around", "note", what, before=lead, after=trail)


def _measure(material: Material, name: str) -> np.ndarray:
    """One measure of each row (rows,), NaN where nothing was heard."""
    sounds = heard(material)
    return np.array(
        [np.nan if sound is None or sound.fault is not None else getattr(sound, name) for sound in sounds], dtype=float
    )


def _fault(sound: Sound | None) -> str | None:
    return None if sound is None or sound.missing else sound.fault


def _is_silent(sound: Sound | None) -> bool:
    return sound is not None and sound.silent


def _told(
    material: Material,
    rows: Sequence[bool] | np.ndarray,
    check: str,
    severity: Severity,
    what: str,
    **measures: Sequence[object] | np.ndarray,
) -> list[Finding]:
    """One finding over all parts, a row of details a clip."""
    chosen = material.concerned(np.asarray(rows, dtype=bool))
    if not chosen.any():
        return []
    frame = material.frame[chosen]
    further = {name: pd.Series(values, dtype=object)[chosen] for name, values in measures.items()}
    details = pd.DataFrame({"id": frame["id"], "part": frame["part"], **further}).reset_index(drop=True)
    sentence = f"{len(frame)} of {len(material.frame)} clips {what}"
    return [Finding(severity, check, "+".join(frame["part"].unique()), len(frame), sentence, details)]
