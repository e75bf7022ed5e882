"""Clips that are one sound, across parts and with other labels."""

import numpy as np
import pandas as pd

from emospeech.data.audit import sharing
from emospeech.data.audit.material import Material
from emospeech.data.audit.report import Finding
from emospeech.data.audit.sharing import Overlap, Thing
from emospeech.data.audit.sound.fingerprint import matches
from emospeech.data.audit.sound.quality import heard

SHOWN = 16  # hexadecimal digits of a hash: enough that no two sounds share them
SAME = Thing("same sound", "sound", "sounds", "have, sample for sample, the sound of {}", "error")
SIMILAR = Thing("similar sound", "sound", "sounds", "are, but for a cut, gain or encoding, the sound of {}", "error")


def same_sounds(material: Material) -> list[Finding]:
    """Clips whose decoded samples are the same, whatever file they are in."""
    keys = _content(material)
    return [*sharing.shared(material, keys, SAME), *sharing.doubled(material, keys, SAME)]


def similar_sounds(material: Material) -> list[Finding]:
    """Clips of one recording that were cut otherwise, made louder or encoded anew, which `same_sounds` does not see.

    Then all clips that are one sound, the same or a similar one, and have different labels or speakers.
    """
    same, similar = _content(material), _similar(material)
    known = {str(overlap.pair): overlap.rows for overlap in sharing.overlaps(material, same)}
    found = []
    for overlap in sharing.overlaps(material, similar):
        rows = overlap.rows & ~known.get(str(overlap.pair), np.zeros(len(same), dtype=bool))
        if rows.any():
            found.append(sharing.finding_of(Overlap(overlap.pair, rows, overlap.total), material, similar, SIMILAR))
    found += sharing.doubled(material, similar.mask(same.duplicated(keep=False) & same.notna()), SIMILAR)
    return found + [
        finding
        for column in ("label", "speaker")
        for finding in sharing.conflicts(material, similar, SIMILAR, "error", column)
    ]


def _content(material: Material) -> pd.Series:
    content = [
        sound.content[:SHOWN] if sound is not None and sound.content is not None else None for sound in heard(material)
    ]
    return pd.Series(content, index=material.frame.index, dtype="string")


def _similar(material: Material) -> pd.Series:
    """A key that rows share whose clips are one sound, directly or through others."""
    sounds = heard(material)
    rows = [k for k, sound in enumerate(sounds) if sound is not None and sound.prints is not None]
    prints = [sound.prints for sound in sounds if sound is not None and sound.prints is not None]
    same = _content(material).dropna()
    first = {content: row for row, content in reversed(list(same.items()))}
    pairs = [(rows[match.one], rows[match.other]) for match in matches(prints)]
    pairs += [(first[content], row) for row, content in same.items() if first[content] != row]
    return sharing.linked(_content(material), pairs)
