"""Transcripts that clips share, across parts and with other labels."""

from itertools import pairwise

import numpy as np
import pandas as pd

from emospeech.data.audit import sharing
from emospeech.data.audit.material import Material
from emospeech.data.audit.report import Finding, NotCheckedError, Severity
from emospeech.data.audit.sharing import Overlap, Thing
from emospeech.data.audit.text import words
from emospeech.data.audit.text.alike import alike

FEW_WORDS = 3  # so few are said twice by chance


def same_transcripts(material: Material) -> list[Finding]:
    """Transcripts that are the same words but for case, punctuation, accents and spaces."""
    keys = _keys(material)
    same = Thing("same transcript", "words", "transcripts", "have the words of {}", _severity(keys))
    found = [
        sharing.finding_of(overlap, material, keys, same, _how(overlap, material, keys))
        for overlap in sharing.overlaps(material, keys)
    ]
    return found + sharing.doubled(material, keys, same)


def alike_transcripts(material: Material) -> list[Finding]:
    """Transcripts that are nearly the same words; those with the same words are `same_transcripts`."""
    keys = _keys(material)
    near = near_keys(keys)
    thing = Thing("similar transcript", "words", "transcripts", "have nearly the words of {}", _severity(keys))
    same = {str(overlap.pair): overlap.rows for overlap in sharing.overlaps(material, keys)}
    found = []
    for overlap in sharing.overlaps(material, near):
        rows = overlap.rows & ~same.get(str(overlap.pair), np.zeros(len(keys), dtype=bool))
        if rows.any():
            other = Overlap(overlap.pair, rows, overlap.total)
            found.append(sharing.finding_of(other, material, near, thing))
    return found


def transcripts_of_two_labels(material: Material) -> list[Finding]:
    """Clips with the same words and different labels."""
    keys = _keys(material)
    if material.frame["label"].isna().all():
        raise NotCheckedError("no row has a label")
    thing = Thing("labels that disagree", "words", "transcripts", "have the words of {}", _severity(keys))
    return sharing.conflicts(material, keys, thing, thing.severity)


def near_keys(keys: pd.Series) -> pd.Series:
    """A key that rows share whose words are nearly the same, directly or through others."""
    texts = keys.dropna().unique().tolist()
    pairs = alike(texts)
    near = {texts[k] for pair in pairs for k in pair}
    rows = {text: group.index.tolist() for text, group in keys.groupby(keys) if text in near}
    links = [link for group in rows.values() for link in pairwise(group)]
    links += [(rows[texts[i]][0], rows[texts[j]][0]) for i, j in pairs]
    return sharing.linked(keys, links)


def _keys(material: Material) -> pd.Series:
    keys = words.keys(material.frame["transcription"])
    if keys.isna().all():
        raise NotCheckedError("no row has a transcription")
    return keys


def _severity(keys: pd.Series) -> Severity:
    """In a corpus of prescribed sentences that several speakers say, one sentence in two parts is by design."""
    known = keys.dropna()
    return "note" if known.nunique() * 2 <= len(known) else "warning"


def _how(overlap: Overlap, material: Material, keys: pd.Series) -> str:
    """How much the sharing of words weighs: letter for letter, and of how few words."""
    text = material.frame["transcription"]
    earlier = set(text[material.of(*overlap.pair.earlier)].dropna())
    exact = int(text[overlap.rows].isin(earlier).sum())
    short = int((keys[overlap.rows].str.count(" ") < FEW_WORDS).sum())
    return f"; {exact} letter for letter, {short} of at most {FEW_WORDS} words"
