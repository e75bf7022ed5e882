"""The clips of Spanish MEACorpus 2023 out of videos that the user has: cut by the ffmpeg program, 16 kHz mono.

Nothing is downloaded. A video is a file named by its YouTube key, `<key>.mp4`, or as download programs name them,
`Some title [<key>].webm`. Each clip is written whole or not at all, and one that is there and whole is left, so that a
cut that was stopped goes on where it was.
"""

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emospeech.corpora import meacorpus2023
from emospeech.data import audio
from emospeech.runtime.console import say, track
from emospeech.runtime.errors import UserError, WorkError, some
from emospeech.runtime.files import replacing

# What a video or its sound comes in, the likeliest to be whole first: of two files for one key, the first is taken.
FORMATS = (".mp4", ".mkv", ".webm", ".m4a", ".mp3", ".opus", ".ogg", ".flac", ".wav", ".mov", ".avi", ".aac")
ENCODERS = {"flac": ("-c:a", "flac"), "mp3": ("-c:a", "libmp3lame", "-q:a", "2")}
TOLERANCE = 0.1  # s; an mp3 is padded to whole frames of 36 ms at 16 kHz, and codecs add a delay of their own


@dataclass(frozen=True)
class Segment:
    """One clip to cut."""

    name: str  # path below the output folder, without suffix
    video: str  # YouTube key
    start: float  # s
    end: float  # s


@dataclass(frozen=True)
class Done:
    """What a cut did; names of clips, and why where it can differ."""

    made: tuple[str, ...]
    there: tuple[str, ...]  # from before, whole
    short: Mapping[str, str]  # made, but the video ends first: how much is there
    failed: Mapping[str, str]  # not made: what ffmpeg says
    missing: Mapping[str, int]  # YouTube key of a video that is not there -> its clips


def cut(root: Path, videos: Path, output: Path, encoding: str = "flac", jobs: int | None = None) -> Done:
    """Cut every segment of the corpus's table in `root` whose video lies in `videos` into `output`.

    Args:
        encoding: a name in `ENCODERS`.
        jobs: clips at a time; None: one a core.

    Raises:
        UserError: if there is no table with video keys, no video, an unknown encoding, or `output` is no folder.
        WorkError: if the ffmpeg program is not installed.
    """
    if encoding not in ENCODERS:
        raise UserError(f"unknown format {encoding!r}; known: {', '.join(ENCODERS)}")
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is no folder; name one for the clips")
    wanted = segments(root)
    files = files_of(videos, {segment.video for segment in wanted})
    program = audio.ffmpeg()
    if program is None:
        raise WorkError("cutting needs the ffmpeg program, which is not installed (apt-get install ffmpeg)")
    todo = [segment for segment in wanted if segment.video in files]
    results: dict[str, tuple[str, str]] = {}
    pool = ThreadPoolExecutor(jobs or os.cpu_count())  # the work is done in ffmpeg's own processes
    try:
        tasks = pool.map(lambda one: _one(program, one, files[one.video], output, encoding), todo)
        for segment, result in zip(todo, track(tasks, "cutting", len(todo)), strict=True):
            results[segment.name] = result
    finally:
        pool.shutdown(cancel_futures=True)
    return Done(
        made=tuple(name for name, (what, _) in results.items() if what == "made"),
        there=tuple(name for name, (what, _) in results.items() if what == "there"),
        short={name: why for name, (what, why) in results.items() if what == "short"},
        failed={name: why for name, (what, why) in results.items() if what == "failed"},
        missing=Counter(segment.video for segment in wanted if segment.video not in files),
    )


def segments(root: Path) -> list[Segment]:
    """Those of the corpus's table that tell their video and time.

    Raises:
        UserError: if no table in `root` has them, or one is faulty.
    """
    rows = meacorpus2023.read(root)
    known = rows[(rows["video"] != "") & rows["end"].notna()]
    if known.empty:
        raise UserError(
            f"{root}: its table has no videos; cutting needs the release with the columns youtube_key, start_time and "
            f"end_time ({' or '.join(meacorpus2023.TABLES[1:])}), which may lie beside the other"
        )
    names = [_safe(root, id) for id in known["id"]]
    return [Segment(*values) for values in zip(names, known["video"], known["start"], known["end"], strict=True)]


def _safe(root: Path, id: str) -> str:
    path = PurePosixPath(id).with_suffix("")
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{root}: the table names a clip {id!r}, which is no name of a file")
    return path.as_posix()


def files_of(folder: Path, keys: Iterable[str]) -> dict[str, Path]:
    """YouTube key -> its video, wherever below the folder.

    Raises:
        UserError: if there is no such folder, or no video of the corpus in it.
    """
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; --videos names the one where the videos are")
    wanted = set(keys)
    found: dict[str, list[Path]] = {}
    others = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in FORMATS or not path.is_file():
            continue
        in_brackets = path.stem.endswith("]") and path.stem[:-1].rpartition("[")[2]
        key = path.stem if path.stem in wanted else in_brackets
        if key in wanted and path.stat().st_size:
            found.setdefault(str(key), []).append(path)
        else:
            others += 1
    if not found:
        raise UserError(
            f"{folder}: no video of the corpus, and {others} other files of sound or video; expected files named by "
            f"their YouTube key, such as {min(wanted)}.mp4 ({', '.join(FORMATS)})"
        )
    if others:
        say(f"note: {others} files in {folder} are empty, or not named by a YouTube key of the corpus")
    return {key: min(paths, key=lambda path: FORMATS.index(path.suffix.lower())) for key, paths in found.items()}


def _one(program: str, segment: Segment, video: Path, output: Path, encoding: str) -> tuple[str, str]:
    """(`made`, `there`, `short` or `failed`; how much is there, or why not)."""
    path = output / f"{segment.name}.{encoding}"
    length = segment.end - segment.start
    if abs(_seconds(path) - length) <= TOLERANCE:
        return "there", ""
    try:
        with replacing(path) as temporary:
            _run_ffmpeg(program, segment, video, temporary, encoding)
            made = _seconds(temporary)
            if made == 0:
                raise WorkError(f"{video.name} has no sound at {segment.start:.2f} s; is it another, shorter one?")
    except WorkError as error:
        return "failed", str(error)
    if made < length - TOLERANCE:
        return "short", f"{made:.2f} s of {length:.2f} s, then {video.name} ends"
    return "made", ""


def _run_ffmpeg(program: str, segment: Segment, video: Path, path: Path, encoding: str) -> None:
    """
    Raises:
        WorkError: what ffmpeg says, if it fails.
    """
    command = [program, "-v", "error", "-nostdin", "-y", "-threads", "1"]
    # ahead of the input: ffmpeg goes there without decoding what lies before, and then to the very sample
    command += ["-ss", f"{segment.start:.6f}", "-i", f"file:{video}", "-t", f"{segment.end - segment.start:.6f}"]
    command += ["-vn", "-map_metadata", "-1", "-ac", "1", "-ar", str(audio.SAMPLE_RATE)]
    done = subprocess.run([*command, *ENCODERS[encoding], f"file:{path}"], capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise WorkError(f"ffmpeg on {video.name}: {said[-1] if said else f'exit code {done.returncode}'}")


def _seconds(path: Path) -> float:
    """The length of a clip that can be decoded to its end, else 0."""
    try:
        return len(audio.load(path)) / audio.SAMPLE_RATE
    except audio.BadAudio:
        return 0.0


def told(done: Done) -> list[str]:
    """What was done, in lines for people; names of what fell short."""
    lines = [f"{len(done.made) + len(done.short)} clips cut, {len(done.there)} were there already"]
    if done.missing:
        videos = "1 video is" if len(done.missing) == 1 else f"{len(done.missing)} videos are"
        lines.append(f"{videos} missing, with {sum(done.missing.values())} clips: {some(list(done.missing))}")
    for what, clips in (("end before their time", done.short), ("could not be cut", done.failed)):
        if clips:
            lines.append(f"{len(clips)} clips {what}: {some([f'{name} ({why})' for name, why in clips.items()])}")
    return lines
