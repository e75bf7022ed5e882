"""One way into the system for sound: `load(path)` gives float32 mono at 16 kHz, whatever the file is.

libsndfile reads wav, flac, ogg, opus and mp3; AAC, webm and the like go through the ffmpeg program, the one that is
installed or that which comes with imageio-ffmpeg.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.data.audio import container
from emospeech.runtime.errors import UserError
from emospeech.runtime.interrupt import unheard

SAMPLE_RATE = 16_000  # Hz: what every speech encoder here was trained on
# The shortest clip that carries anything: one frame of wav2vec 2.0's receptive field, and one 25 ms analysis window.
MIN_SAMPLES = 400
SILENCE = 1e-5  # peak below -100 dBFS: digital silence, dither included
BLOCK = 1 << 20  # samples decoded at a time
UNKNOWN_LENGTH = 1 << 62  # libsndfile's word for it is a little below 2^63
MP3_FRAME = 1152  # samples, from 32 kHz on; half below
MP3_SLACK = 6 * MP3_FRAME  # samples that frames may hold beyond the sound: tag, encoder delay, padding
NEEDS_FFMPEG = (".m4a", ".aac", ".mp4", ".webm", ".mkv", ".wma", ".amr", ".3gp")

HIGHEST_RATE = 48_000  # Hz, of which a limit in seconds is reckoned: silence at 655 kHz takes little room in a file
PATIENCE = 60.0  # seconds that ffmpeg gets for a file of a stranger
CUT_SHORT_SAYS_FFMPEG = ("partial file", "ended prematurely")


class BadAudio(UserError):  # noqa: N818 - what it is about, not a failure of ours
    """A file that holds no usable sound; the message says why."""


class TooLong(BadAudio):
    """A file that holds more sound than the caller takes."""


def load(path: str | Path, longest: float | None = None) -> np.ndarray:
    """float32 (time,), mono (channels averaged), 16 kHz, in [-1, 1].

    Args:
        longest: seconds, at 48 kHz or less; of a longer file no more is decoded than it takes to know that it is, and
            ffmpeg gets a minute for it.

    Raises:
        BadAudio: if the file is missing, empty, not audio, cut short, or needs ffmpeg and there is none.
        TooLong: if it is longer than `longest`.
    """
    path = Path(path)
    if not is_file(path):
        raise BadAudio(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise BadAudio(f"{path}: the file is empty")
    if path.suffix.lower() in NEEDS_FFMPEG or container.demuxer(path):
        return _through_ffmpeg(path, longest=longest)
    return _through_soundfile(path, longest)


def fault(path: str | Path) -> str | None:
    """Why a clip cannot serve (unreadable, silent, too short), or None. Decodes the whole file."""
    try:
        waveform = load(path)
    except BadAudio as error:
        return str(error).removeprefix(f"{path}: ")
    if len(waveform) < MIN_SAMPLES:
        return f"too short: {len(waveform)} samples at 16 kHz, at least {MIN_SAMPLES} are needed"
    if np.abs(waveform).max() < SILENCE:
        return "silent: no sample differs from zero"
    return None


def header(path: str | Path) -> Any:
    """What a file says of itself (soundfile's `info`: samplerate, channels, frames, duration), or None."""
    import soundfile

    try:
        return soundfile.info(os.fsencode(path))
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        return None


def duration(path: str | Path) -> float | None:
    """Seconds by the file's header, or None where libsndfile cannot tell."""
    found = header(path)
    return float(found.duration) if found is not None and found.frames < UNKNOWN_LENGTH else None


def is_file(path: str | Path) -> bool:
    """As `Path.is_file`, and False for a name that is too long to be one, such as a sentence in the wrong column."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def ffmpeg() -> str | None:
    """The ffmpeg program: the machine's own, else the one that imageio-ffmpeg brings."""
    if (installed := shutil.which("ffmpeg")) is not None:
        return installed
    try:
        import imageio_ffmpeg

        bundled: str = imageio_ffmpeg.get_ffmpeg_exe()
        return bundled
    except (ImportError, RuntimeError):  # none for this machine
        return None


def _through_soundfile(path: Path, longest: float | None = None) -> np.ndarray:
    import soundfile
    import soxr

    if container.is_cut_ogg(path):
        raise BadAudio(f"{path}: cut short, its last Ogg page is not whole")
    try:
        with soundfile.SoundFile(os.fsencode(path)) as stream:
            promised, rate, missing = stream.frames, stream.samplerate, container.missing_bytes(stream.extra_info)
            stream.seekable = lambda: False  # else it seeks after each block, where a streamed FLAC cannot
            if stream.format == "MP3" and container.mp3_samples(path) > promised + MP3_SLACK:
                return _through_ffmpeg(path, "an mp3 without its true length in the header", longest, "mp3")
            most = None if longest is None else int(longest * min(rate, HIGHEST_RATE))
            mono = _mono(stream, most)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        # libsndfile's own words for junk are misleading ("File does not exist"), so ours come first
        raise BadAudio(f"{path}: not audio that can be read ({_reason(error)})") from None
    if len(mono) == 0:
        raise BadAudio(f"{path}: holds no samples")
    _refuse_longer(path, len(mono) / rate, longest)
    if most is not None and len(mono) > most:
        raise TooLong(f"{path}: longer than {most / rate:.1f} s at {rate} Hz")
    if missing:
        raise BadAudio(f"{path}: cut short, the last {missing} bytes that its header announces are missing")
    # A cut mp3 still announces its full length and then reads short without an error
    if promised < UNKNOWN_LENGTH and len(mono) < promised - 2 * (MP3_FRAME if rate >= 32_000 else MP3_FRAME // 2):
        raise BadAudio(f"{path}: cut short, {len(mono) / rate:.2f} s of {promised / rate:.2f} s can be read")
    if not np.isfinite(mono).all():
        raise BadAudio(f"{path}: holds samples that are not numbers")
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.clip(mono, -1.0, 1.0).astype(np.float32)


def _mono(stream: Any, most: int | None) -> np.ndarray:
    """float32 (time,), channels averaged; in blocks, since a streamed FLAC does not tell its length.

    `most`: samples (of a channel) after which it reads no further.
    """
    blocks, count = [], 0
    while len(block := stream.read(max(BLOCK // stream.channels, 1), dtype="float32", always_2d=True)):
        blocks.append(block.mean(axis=1))
        count += len(block)
        if most is not None and count > most:
            break
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)


def _refuse_longer(path: Path, seconds: float, longest: float | None) -> None:
    if longest is not None and seconds > longest:
        raise TooLong(f"{path}: longer than {longest:g} s")


def _through_ffmpeg(path: Path, what: str = "", longest: float | None = None, demuxer: str | None = None) -> np.ndarray:
    # a file must not make it read others: no playlists, where the content tells what it is, and no network
    known = demuxer or container.demuxer(path)
    program = ffmpeg()
    if program is None:
        raise BadAudio(
            f"{path}: {what or path.suffix or known} needs the ffmpeg program, which is not installed; "
            "install it (apt-get install ffmpeg) or convert the files to wav, flac, ogg or mp3"
        )
    command = [program, "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"]
    command += ["-f", known] if known else []
    command += ["-i", f"file:{path}", "-vn", "-ac", "1", "-ar", str(SAMPLE_RATE)]
    command += ["-t", f"{longest + 1:.3f}"] if longest is not None else []
    with unheard():  # a stop that is asked for must not look like a broken file
        patience = None if longest is None else PATIENCE
        try:
            done = subprocess.run(
                [*command, "-f", "f32le", "pipe:1"], capture_output=True, check=False, timeout=patience
            )
        except subprocess.TimeoutExpired:
            raise BadAudio(f"{path}: not audio that ffmpeg can read (it found no end in {PATIENCE:g} s)") from None
    waveform = np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], dtype="<f4")
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode != 0 or len(waveform) == 0:
        last = said.splitlines()[-1] if said else "no sound in it"
        raise BadAudio(f"{path}: not audio that ffmpeg can read ({last})")
    _refuse_longer(path, len(waveform) / SAMPLE_RATE, longest)
    if any(sign in said for sign in CUT_SHORT_SAYS_FFMPEG):  # and then ends as if all were well
        raise BadAudio(f"{path}: cut short, {len(waveform) / SAMPLE_RATE:.2f} s can be read")
    return np.clip(waveform, -1.0, 1.0).astype(np.float32)


def _reason(error: Exception) -> str:
    if isinstance(error, TypeError):  # soundfile would like to be told
        return "raw samples do not tell their rate"
    text = str(error).split(": ")[-1].strip()
    if "does not exist" in text or "Format not" in text:
        return "junk or an unknown format"
    return f"cut short or damaged: {text}" if "lost sync" in text or "malformed" in text else text


def load_or_silence(path: str | None, load: Callable[[str], np.ndarray] = load) -> np.ndarray:
    """The waveform of a file, as `load` gives it; None: of a second of silence.

    Raises:
        BadAudio: if it cannot be read.
    """
    return np.zeros(SAMPLE_RATE, dtype=np.float32) if path is None else load(path)


def played_at(waveform: np.ndarray, speed: float) -> np.ndarray:
    """(time,) -> (time / speed,): tempo, pitch and formants together; one sample at the least, if there was one.

    Source: Ko et al. 2015, audio augmentation for speech recognition (doi 10.21437/Interspeech.2015-711).
    """
    import soxr

    changed: np.ndarray = soxr.resample(waveform, SAMPLE_RATE * speed, SAMPLE_RATE)
    return changed if len(changed) else waveform


def at_least(waveform: np.ndarray, samples: int) -> np.ndarray:
    """(time,) -> (time,): as it is, or with silence behind it, so long at least.

    >>> at_least(np.array([1.0, 2.0]), 3).tolist()
    [1.0, 2.0, 0.0]
    """
    return np.pad(waveform, (0, max(samples - len(waveform), 0)))
