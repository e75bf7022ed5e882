"""Before long work starts: does every row have what the model needs? One message names what is missing."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emospeech.data import audio
from emospeech.data.heard import Heard
from emospeech.runtime.console import track
from emospeech.runtime.errors import UserError, faults, some
from emospeech.runtime.files import content_hashes, write_text


@dataclass(frozen=True)
class BadClip:
    """A clip whose audio cannot serve."""

    id: str
    audio: str
    reason: str


WITHOUT = "a model that is trained with model.modality_dropout (0.3, say) serves rows without {}, too"


def require_text(
    manifest: pd.DataFrame, remedy: str = f"leave text out with text=null; {WITHOUT.format('text')}"
) -> None:
    """Every row has a transcript.

    Args:
        remedy: what else would help, for the message.

    Raises:
        UserError: naming file and line of each row without one.
    """
    absent = manifest["transcription"].isna()
    if absent.all():
        raise UserError(
            "the model uses text but no row has a transcription; give a table with a column `transcription`, "
            f"or {remedy}"
        )
    empty = manifest[absent | (manifest["transcription"].str.strip() == "")]
    if len(empty):
        raise faults(
            f"{len(empty)} of {len(manifest)} rows have an empty transcription, and the model uses text; "
            f"fill them in, remove the rows, or {remedy}",
            [f"{source_of(row)}id {row.id}" for row in empty.itertuples()],
        )


def require_audio(
    manifest: pd.DataFrame,
    where: str = "",
    remedy: str = f"leave speech out with speech=null; {WITHOUT.format('speech')}",
    what: str = "the model uses speech",
) -> None:
    """Every row names an audio file that is there.

    Args:
        where: where the corpus keeps its audio, for the message.
        remedy: what else would help, for the message.
        what: what hears it, for the message.

    Raises:
        UserError: with how many are missing, and the first few names.
    """
    absent = manifest[manifest["audio"].isna()]
    if len(absent):
        place = f" ({where})" if where else ""
        raise UserError(
            f"{what} but {len(absent)} of {len(manifest)} rows have no audio "
            f"({some(absent['id'].tolist())}); put the audio in place{place}, or {remedy}"
        )
    require_files(manifest, remedy)


def require_either(manifest: pd.DataFrame) -> None:
    """Every row has audio or a transcript, and the audio that it names is there: a model with modality dropout.

    Raises:
        UserError: naming the rows that have neither, and the files that are missing.
    """
    neither = manifest[manifest["audio"].isna() & manifest["transcription"].isna()]
    if len(neither):
        raise faults(
            f"{len(neither)} of {len(manifest)} rows have neither audio nor transcription; remove them",
            [f"{source_of(row)}id {row.id}" for row in neither.itertuples()],
        )
    require_files(manifest[manifest["audio"].notna()])


def blank_as_absent(manifest: pd.DataFrame) -> pd.DataFrame:
    """Transcriptions of nothing but white space as NA."""
    blank = manifest["transcription"].str.strip() == ""
    return manifest.assign(transcription=manifest["transcription"].mask(blank.fillna(False)))


def require_files(manifest: pd.DataFrame, remedy: str = "remove the rows") -> None:
    """Every audio file that is named is there.

    Args:
        remedy: what else would help, for the message.

    Raises:
        UserError: with how many are missing, and the first few names.
    """
    missing = [path for path in manifest["audio"] if not audio.is_file(path)]
    if missing:
        folders = sorted({str(Path(path).parent) for path in missing})
        raise UserError(
            f"{len(missing)} of {len(manifest)} audio files are missing from {some(folders)}: "
            f"{some([Path(path).name for path in missing])}; finish the download or unpacking, "
            f"or {remedy}"
        )


def find_bad_audio(manifest: pd.DataFrame, heard: Heard | None = None) -> list[BadClip]:
    """Decode every clip once and list those that cannot serve, in manifest order; rows without audio are left out.

    Args:
        heard: files that were found sound before, which are not decoded again; those of now are added.
    """
    manifest = manifest[manifest["audio"].notna()]
    if heard is None:
        return _unusable(manifest)
    hashes = manifest["audio"].map(content_hashes(filter(audio.is_file, manifest["audio"])))
    new = ~hashes.isin(heard.known())
    bad = _unusable(manifest[new])
    heard.add(hashes[new & ~manifest["id"].isin([clip.id for clip in bad])])
    return bad


def _unusable(manifest: pd.DataFrame) -> list[BadClip]:
    paths = manifest["audio"].tolist()
    pool = ThreadPoolExecutor()  # libsndfile and soxr let go of the interpreter while they work
    try:
        reasons = list(track(pool.map(audio.fault, paths), "checking audio", len(paths)))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing more is decoded
    rows = zip(manifest["id"], paths, reasons, strict=True)
    return [BadClip(id, path, reason) for id, path, reason in rows if reason is not None]


def write_bad_audio(bad: Sequence[BadClip], path: Path) -> None:
    """The list as CSV: id, audio, reason."""
    frame = pd.DataFrame([(clip.id, clip.audio, clip.reason) for clip in bad], columns=["id", "audio", "reason"])
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def without_bad_audio(
    manifest: pd.DataFrame,
    bad: Sequence[BadClip],
    policy: str,
    listed: str = "",
    remedy: str = "choose data.on_bad_audio=drop or data.on_bad_audio=silence",
) -> pd.DataFrame:
    """The manifest after `data.on_bad_audio`: `fail`, `drop` those rows, or hear `silence` in their place.

    With `silence` their audio is NA: a second of silence, or to a model with modality dropout, no speech at all.

    Raises:
        UserError: under `fail`, if any clip is bad.
    """
    if not bad:
        return manifest
    if policy == "fail":
        raise faults(
            f"{len(bad)} of {len(manifest)} clips have unusable audio{listed}; mend them, or {remedy}",
            [f"{clip.audio}: {clip.reason}" for clip in bad],
            limit=10,
        )
    broken = manifest["id"].isin([clip.id for clip in bad])
    if policy == "drop":
        return manifest[~broken].reset_index(drop=True)
    return manifest.assign(audio=manifest["audio"].mask(broken))


def source_of(row: object) -> str:
    source = getattr(row, "source", None)
    return "" if source is None or pd.isna(source) else f"{source}: "
