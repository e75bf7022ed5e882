"""The transcripts of a manifest's clips: what is kept is read, the rest is heard, by as many processes as there are."""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

import pandas as pd

from emospeech.data import audio
from emospeech.encoders.transcribe.backends import AUTO, Checkpoint, choose, language_code
from emospeech.encoders.transcribe.guards import Guards
from emospeech.encoders.transcribe.kept import Claims, Kept
from emospeech.encoders.transcribe.listening import Sound, listen
from emospeech.encoders.transcribe.transcript import Recogniser, Transcript
from emospeech.runtime import distributed
from emospeech.runtime.console import Bar, progress, say, track
from emospeech.runtime.errors import Interrupted, UserError, WorkError, faults, gather, some
from emospeech.runtime.files import content_hashes

VERSION = 1  # raised when the same words would mean another transcript
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True)
class Settings:
    """How transcripts are made."""

    model: str = "large-v3"  # a size, a .pt file, a folder of transformers, or a Hub id
    backend: str = AUTO  # auto, openai, transformers
    language: str | None = None  # None: each row's own
    batch: int = 8  # windows of 30 s at once
    device: str = "auto"
    guards: Guards = field(default_factory=Guards)


@dataclass(frozen=True)
class Clip:
    """A clip of a manifest."""

    key: str  # SHA-256 of the file, and the language
    path: str
    language: str  # Whisper's code
    seconds: float


def transcripts(rows: pd.DataFrame, settings: Settings, root: Path) -> tuple[str, list[Transcript]]:
    """The checkpoint's name, and a transcript for each row, in their order.

    All processes of a run must call it at the same point. Stopped or killed, it goes on where it was.

    Args:
        root: of the store that keeps them.

    Raises:
        UserError: if rows, settings or checkpoint are not as they must be; before anything is heard.
        WorkError: if the device is too small for a batch.
        Interrupted: on Ctrl-C; what was finished is kept.
    """
    if settings.batch < 1:
        raise UserError(f"a batch of {settings.batch} windows; at least 1 is needed")
    distributed.start()
    checkpoint = choose(settings.model, settings.backend)
    device = _device(settings.device)
    clips = distributed.on_main(lambda: clips_of(rows, settings.language))
    identity = {
        "version": VERSION,
        "weights": distributed.on_main(checkpoint.identity),
        "precision": "fp32" if device == "cpu" else "fp16",
        "guards": asdict(settings.guards),
    }
    kept = Kept(root, checkpoint.label, identity)
    wanted = list({clip.key: clip for clip in clips}.values())
    try:
        missing = distributed.on_main(lambda: [clip for clip in wanted if clip.key not in kept.look()])
        if missing:
            _hear(wanted, missing, checkpoint, kept, settings, device)
    except KeyboardInterrupt:
        done = sum(clip.key in kept.look() for clip in wanted)
        raise Interrupted(
            f"stopped; {done} of {len(wanted)} clips are transcribed and kept in {kept.path}; the same command goes on"
        ) from None
    there = kept.look()
    return checkpoint.label, [there[clip.key] for clip in clips]


def clips_of(rows: pd.DataFrame, language: str | None) -> list[Clip]:
    """The rows' clips.

    Args:
        language: of all of them; None: the column `language` tells.

    Raises:
        UserError: if audio is missing, or a language is unknown or not told.
    """
    check = [lambda: _require_audio(rows), lambda: _languages(rows, language)]
    languages = gather("these rows cannot be transcribed", check)[1] or []
    hashes = content_hashes(rows["audio"])
    return [
        Clip(f"{hashes[path]}:{code}", path, code, audio.duration(path) or 0.0)
        for path, code in zip(rows["audio"], languages, strict=True)
    ]


def _require_audio(rows: pd.DataFrame) -> None:
    absent = rows[rows["audio"].isna()]
    if len(absent):
        raise UserError(
            f"{len(absent)} of {len(rows)} rows have no audio ({some(absent['id'].tolist())}); "
            "give the folder with --audio if it lies under the names of the ids"
        )
    missing = [path for path in rows["audio"] if not audio.is_file(path)]
    if missing:
        raise UserError(f"{len(missing)} of {len(rows)} audio files are missing: {some(missing)}")


def _languages(rows: pd.DataFrame, language: str | None) -> list[str]:
    """Whisper's code of each row's language."""
    told = rows["language"] if language is None else pd.Series(language, index=rows.index)
    if told.isna().any():
        ids = rows["id"][told.isna()].tolist()
        raise UserError(
            f"{len(ids)} of {len(rows)} rows tell no language ({some(ids)}); give it with --language, as --language es"
        )
    codes = {word: language_code(word) for word in told.unique()}
    unknown = [word for word, code in codes.items() if code is None]
    if unknown:
        raise UserError(f"Whisper knows no language {some(unknown)}; give a code or an English name, as es or Spanish")
    return [codes[word] for word in told]  # type: ignore[misc]


def _device(wanted: str) -> str:
    """cpu, or cuda:N: of several processes on a machine, each its own."""
    import torch

    local = os.environ.get("LOCAL_RANK", "0")
    if not DEVICE.fullmatch(wanted):
        raise UserError(f"unknown device {wanted!r}; known: auto, cpu, cuda, cuda:N")
    if wanted == "auto":
        return f"cuda:{local}" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"--device {wanted}: no GPU can be used here")
    return f"cuda:{local}" if wanted == "cuda" else wanted


def _hear(
    wanted: Sequence[Clip],
    missing: Sequence[Clip],
    checkpoint: Checkpoint,
    kept: Kept,
    settings: Settings,
    device: str,
) -> None:
    """Have all wanted clips in `kept`."""
    distributed.on_main(lambda: _require_sound(missing))
    loaded: list[Recogniser] = []

    def load() -> None:
        if not loaded:
            loaded.append(_loaded(checkpoint, device, {clip.language for clip in missing}))

    distributed.on_main(load)  # it may download, which the others must not do at the same time
    distributed.everywhere(load)
    seconds = sum(clip.seconds for clip in wanted)
    left = sum(clip.seconds for clip in missing)
    say(
        f"whisper:{checkpoint.label} on {device}: {len(missing)} clips, {left / 60:.1f} min of sound"
        + (f"; {len(wanted) - len(missing)} are kept from before" if len(missing) < len(wanted) else "")
    )
    with progress("transcribing (s of sound)", round(seconds), round(seconds - left)) as bar:
        worker = _Worker(loaded[0], kept, settings, wanted, bar)
        distributed.everywhere(worker.run)


def _require_sound(clips: Sequence[Clip]) -> None:
    """
    Raises:
        UserError: naming each file that cannot be decoded.
    """
    pool = ThreadPoolExecutor()
    try:
        reasons = list(track(pool.map(_fault, [clip.path for clip in clips]), "checking audio", len(clips)))
    finally:
        pool.shutdown(cancel_futures=True)
    found = [reason for reason in reasons if reason is not None]
    if found:
        raise faults(f"{len(found)} of {len(clips)} clips cannot be heard; mend or remove them", found)


def _fault(path: str) -> str | None:
    try:
        audio.load(path)
    except audio.BadAudio as error:
        return str(error)
    return None


def _loaded(checkpoint: Checkpoint, device: str, languages: set[str]) -> Recogniser:
    recogniser = checkpoint.load(device)
    foreign = sorted(languages - set(recogniser.languages))
    if foreign:
        known = "English alone" if list(recogniser.languages) == ["en"] else f"{len(recogniser.languages)} languages"
        raise UserError(
            f"{checkpoint.label} writes {known}, and the clips speak {some(foreign)}; give a multilingual checkpoint"
        )
    return recogniser


class _Worker:
    """One process's part: it begins with its share and helps with the rest."""

    def __init__(
        self, recogniser: Recogniser, kept: Kept, settings: Settings, wanted: Sequence[Clip], bar: Bar
    ) -> None:
        self.recogniser, self.kept, self.settings, self.bar = recogniser, kept, settings, bar
        self.wanted = wanted
        self.told = self._seconds()

    def run(self) -> None:
        """Return once all are there, whoever made them."""
        claims = Claims(self.kept.path)
        share = distributed.rank(), distributed.world_size()
        try:
            distributed.work_off(self._units(), lambda unit: self._done(unit, claims), share)
        finally:
            claims.close()

    def _units(self) -> list[list[Clip]]:
        """Batches of one language and like length, the longest first: what does not fit into memory shows at once.

        They are the same whatever is there already, so that a clip meets the same neighbours after a stop.
        """
        ordered = sorted(self.wanted, key=lambda clip: (clip.language, -clip.seconds, clip.key))
        size = self.settings.batch
        return [
            same[k : k + size]
            for same in (list(group) for _, group in groupby(ordered, key=lambda clip: clip.language))
            for k in range(0, len(same), size)
        ]

    def _done(self, unit: Sequence[Clip], claims: Claims) -> bool:
        """Do what of a unit nobody has done or has in hand; whether it is all there now."""
        there = self.kept.look()
        mine = claims.taken(clip.key for clip in unit if clip.key not in there)
        there = self.kept.look()  # what another finished before it let go
        todo = [clip for clip in unit if clip.key in mine and clip.key not in there]
        if todo:
            self.kept.add(dict(zip([clip.key for clip in todo], self._heard(todo), strict=True)))
        claims.release(mine)
        seconds = self._seconds()
        self.bar(seconds - self.told, f"{sum(clip.key in self.kept.look() for clip in self.wanted)} clips")
        self.told = seconds
        return all(clip.key in self.kept.look() for clip in unit)

    def _heard(self, clips: Sequence[Clip]) -> list[Transcript]:
        from torch import OutOfMemoryError

        sounds = [Sound(clip.key, audio.load(clip.path)) for clip in clips]
        try:
            return listen(self.recogniser, sounds, clips[0].language, self.settings.guards)
        except OutOfMemoryError:
            raise WorkError(
                f"no memory for {len(clips)} windows at once; give a smaller batch (--batch, text.whisper.batch)"
            ) from None

    def _seconds(self) -> float:
        there = self.kept.look()
        return sum(clip.seconds for clip in self.wanted if clip.key in there)
