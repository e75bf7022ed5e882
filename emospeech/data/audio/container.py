"""Is a sound file whole? What its container announces, held against its bytes: libsndfile reads a cut wav, opus or
untagged mp3 without a word."""

import re
from pathlib import Path

PLACEHOLDER = 0x7FFFF000  # bytes; programs that write into a pipe announce this or more, not knowing the length
SLOPPY = 64  # bytes; writers that miscount headers or padding are wrong by less
PAGE = 65_307  # bytes of the longest Ogg page
# MPEG audio layer III: kbit/s by bit rate index, Hz by sampling rate index, for MPEG-1 (3), MPEG-2 (2) and 2.5 (0)
KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
HZ = {3: (44_100, 48_000, 32_000, 0), 2: (22_050, 24_000, 16_000, 0), 0: (11_025, 12_000, 8_000, 0)}

# by how a file begins, ffmpeg's name for containers that libsndfile does not read
BEGINNINGS = (
    (re.compile(rb"\x1a\x45\xdf\xa3"), "matroska"),  # webm, mkv: EBML
    (re.compile(rb"....ftyp", re.DOTALL), "mov"),  # mp4, m4a, 3gp
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), "aac"),  # ADTS: a sync word, layer 0
    (re.compile(rb"#!AMR"), "amr"),
    (re.compile(rb"\x30\x26\xb2\x75"), "asf"),  # wma
)


def demuxer(path: Path) -> str | None:
    """What ffmpeg calls the container that a file is; None: none of those that need it."""
    with path.open("rb") as stream:
        begins = stream.read(16)
    return next((name for sign, name in BEGINNINGS if sign.match(begins)), None)


def missing_bytes(log: str) -> int:
    """Bytes of sound that a wav, aiff, au, w64 or rf64 file announces and does not have.

    Args:
        log: libsndfile's notes on the file (`SoundFile.extra_info`).

    >>> missing_bytes("data : 96000 (should be 47978)")
    48022
    """
    found = re.search(r"(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", log)
    if found is None:
        return 0
    announced, there = int(found[1]), int(found[2])
    return announced - there if announced - there > SLOPPY and announced < PLACEHOLDER else 0


def is_cut_ogg(path: Path) -> bool:
    """An Ogg file (Vorbis, Opus) whose last page is not whole; False for other files."""
    with path.open("rb") as stream:
        if stream.read(4) != b"OggS":
            return False
        size = stream.seek(0, 2)
        stream.seek(max(size - PAGE, 0))
        page = stream.read()
    start = page.rfind(b"OggS")
    if start < 0 or len(page) < start + 27:
        return True
    lengths = page[start + 27 : start + 27 + page[start + 26]]  # of the page's segments
    return len(page) < start + 27 + page[start + 26] + sum(lengths)


def mp3_samples(path: Path) -> int:
    """Samples in the frames of an mp3 file, counted one by one; 0 where no frames are found.

    Without a Xing header libsndfile guesses the length from the bit rate of the first frame, and stops there; of files
    laid end to end it reads the first.
    """
    raw = path.read_bytes()
    at = raw.find(b"\xff", _tag_length(raw, 0))
    samples = 0
    while at >= 0 and (frame := _frame(raw[at : at + 4])) is not None:
        samples += frame[1]
        at += frame[0]
        at += _tag_length(raw, at)
    return samples


def _tag_length(raw: bytes, at: int) -> int:
    """Bytes of the ID3v2 tag that starts here, or 0; it tells its length in 7 bits a byte."""
    if raw[at : at + 3] != b"ID3" or len(raw) < at + 10:
        return 0
    a, b, c, d = raw[at + 6 : at + 10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _frame(header: bytes) -> tuple[int, int] | None:
    """(bytes, samples) of the layer III frame with this header, or None."""
    bits = int.from_bytes(header, "big")
    version = bits >> 19 & 3
    if len(header) < 4 or bits >> 21 != 0x7FF or bits >> 17 & 3 != 1 or version not in HZ:
        return None
    samples = 1152 if version == 3 else 576
    kbps, hz = (KBPS_1 if version == 3 else KBPS_2)[bits >> 12 & 15], HZ[version][bits >> 10 & 3]
    return (samples // 8 * kbps * 1000 // hz + (bits >> 9 & 1), samples) if kbps and hz else None
