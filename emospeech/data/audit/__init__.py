"""What is wrong with a corpus or its split, before any score is believed: leaks, doubles, shortcuts, broken audio,
transcripts that a recogniser made up.

`audit` gives a report; each check is a function of the rows that returns its findings, and stands in `CHECKS`.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from emospeech.data.audit import classes, sharing, shortcuts, versions
from emospeech.data.audit.material import Material, joined
from emospeech.data.audit.report import SEVERITIES, Finding, NotCheckedError, Report
from emospeech.data.audit.sound import measure, quality
from emospeech.data.audit.sound import sharing as sound_sharing
from emospeech.data.audit.text import recogniser
from emospeech.data.audit.text import sharing as text_sharing

Check = Callable[[Material], list[Finding]]

TEXT_CHECKS: dict[str, Check] = {
    "same transcript": text_sharing.same_transcripts,
    "similar transcript": text_sharing.alike_transcripts,
    "transcripts of two labels": text_sharing.transcripts_of_two_labels,
    **recogniser.CHECKS,
}
BETWEEN_PARTS = (
    "same id", "same speaker", "same recording", "same sound", "similar sound", "same transcript", "similar transcript",
)  # fmt: skip
CHECKS: dict[str, Check] = {
    "same id": sharing.same_ids,
    "same speaker": sharing.same_speakers,
    "same recording": sharing.same_groups,
    "same sound": sound_sharing.same_sounds,
    "similar sound": sound_sharing.similar_sounds,
    **TEXT_CHECKS,
    "class balance": classes.balance,
    "absent class": classes.absent,
    "guess by recording": shortcuts.recording_guess,
    "guess by speaker": shortcuts.speaker_guess,
    "duration alone": shortcuts.duration_alone,
    "loudness alone": shortcuts.loudness_alone,
    "missing audio": quality.missing,
    "unreadable audio": quality.unreadable,
    "silent": quality.silent,
    "clipped": quality.clipped,
    "duration": quality.duration,
    "DC offset": quality.dc_offset,
    "sampling rate": quality.odd_rate,
    "silence around": quality.silence_around,
}


def audit(
    manifests: Mapping[str, pd.DataFrame],
    grouped: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    other: tuple[str, pd.DataFrame] | None = None,
    with_audio: bool = True,
) -> Report:
    """Every check over the rows of one or several manifests.

    Args:
        manifests: name -> manifest; a row belongs to the part that its `split` says, else to that of the name.
        grouped: fills in the source recording of each clip, the column `group`.
        other: name and rows of another version of the table, to be compared.
        with_audio: decode the clips and listen.

    Raises:
        UserError: if there are no rows, or `other` knows none of them.
    """
    frame = joined(manifests)
    if grouped is not None:
        frame = grouped(frame)
    material = Material(frame, measure.listen(frame["audio"].tolist()) if with_audio else None)
    findings: list[Finding] = []
    clean, skipped = [], {}
    for name, check in CHECKS.items():
        try:
            found = check(material)
        except NotCheckedError as reason:
            skipped[name] = str(reason)
            continue
        findings += found
        if name in BETWEEN_PARTS:
            told = {finding.parts for finding in found}
            without = [str(pair) for pair in material.pairs() if str(pair) not in told]
            clean += [f"{name} ({', '.join(without)})"] if without else []
        elif not found:
            clean.append(name)
    if other is not None:
        findings += versions.compared(material, other[1], other[0], TEXT_CHECKS)
    if len(material.parts) == 1:
        skipped["leaks between parts"] = f"one part only, {material.parts[0]}: give several files, or a column split"
    counts = {part: int(material.of(part).sum()) for part in material.parts}
    return Report(counts, tuple(sorted(findings, key=_gravity)), tuple(clean), skipped)


def _gravity(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)
