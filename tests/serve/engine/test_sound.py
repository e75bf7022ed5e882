"""What a client uploads becomes sound within limits, or a reason why not; nothing of it stays."""

import io
import resource
import struct
import tempfile
import time

import numpy as np
import pytest

from emospeech.data import audio
from emospeech.serve.engine import sound as module
from emospeech.serve.engine.sound import SAMPLE_RATE, Unheard, audible, heard, private_folder, segments


def listen(raw, longest=10.0, name="clip.wav"):
    return heard(io.BytesIO(raw), name, longest)


def heard_or_why(raw):
    """The waveform, or the code of why there is none."""
    try:
        return listen(raw)
    except Unheard as error:
        return error.code


def refused(raw, longest=10.0, name="clip.wav"):
    """(code, detail) of what cannot be heard."""
    with pytest.raises(Unheard) as found:
        listen(raw, longest, name)
    assert "emospeech_" not in str(found.value), "paths of this machine are nobody's business"
    assert str(found.value).startswith(f"{name}: ")
    return found.value.code, str(found.value)


def wav(data=b"\0\1" * 8000, rate=16_000, channels=1, bits=16, announced=None, riff=None):
    """A wav file whose header says what it is told to."""
    announced = len(data) if announced is None else announced
    format = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate % 2**32, rate * 2 % 2**32, 2, bits)
    body = b"WAVE" + format + b"data" + struct.pack("<I", announced) + data
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch, tmp_path_factory):
    """Neither in the folder in memory nor in that of temporary files."""
    folders = [tmp_path_factory.mktemp(name) for name in ("memory", "temporary")]
    monkeypatch.setattr(module, "MEMORY_FOLDER", folders[0])
    monkeypatch.setattr(tempfile, "tempdir", str(folders[1]))
    yield
    assert [path for folder in folders for path in folder.iterdir()] == []


@pytest.mark.parametrize("format", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_it_is_what_load_gives(format, rate, sound, encoded, tmp_path):
    raw = encoded(sound(seconds=1.0), rate, format[0], format[1])
    (tmp_path / "clip").write_bytes(raw)
    waveform = listen(raw)
    assert waveform.dtype == np.float32
    np.testing.assert_array_equal(waveform, audio.load(tmp_path / "clip"))


@pytest.mark.parametrize("container", ["webm", "mp4", "adts"])
def test_what_browsers_and_phones_record(container, sound, encoded, tmp_path):
    """Told by content: an upload has no suffix here."""
    import subprocess

    if (program := audio.ffmpeg()) is None:
        pytest.skip("no ffmpeg")
    codec = ["-c:a", "libopus"] if container == "webm" else ["-c:a", "aac"]
    command = [program, "-v", "error", "-i", "pipe:0", *codec, "-f", container, str(tmp_path / "out")]
    subprocess.run(command, input=encoded(sound(seconds=1.0)), check=True)
    raw = (tmp_path / "out").read_bytes()
    assert abs(len(listen(raw)) / SAMPLE_RATE - len(sound(seconds=1.0)) / SAMPLE_RATE) < 0.15
    if container != "adts":  # which has no length to fall short of
        assert refused(raw[: len(raw) // 3])[0] == "not_audio"
    assert refused(raw, longest=0.5)[0] == "too_long"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty"),
        (b"not audio at all, but a text", "not_audio"),
        (b"\0" * 100_000, "not_audio"),
        (b"#!AMR\n", "not_audio"),
        (b"RIFF", "not_audio"),
        (wav(b""), "not_audio"),
        (wav(b"\0\1" * 100), "too_short"),
        (wav(b"\0\0" * 16_000), "silent"),
        (wav(b"\0\1" * 16_000 * 11), "too_long"),
        (wav(rate=1), "too_long"),
        (wav(rate=0), "not_audio"),
        (wav(rate=2**32 - 1), None),
        (wav(channels=0), "not_audio"),
        (wav(channels=1000), None),
        (wav(channels=65_535), "not_audio"),
        (wav(announced=2**32 - 1), None),
        (wav(announced=2**31), None),
        (wav(announced=10**6), "not_audio"),
        (wav(riff=0), None),
        (wav(bits=0), "not_audio"),
        (wav(bits=7), None),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not_audio"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not_audio"),
        (b"<?xml version='1.0'?><MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>", "not_audio"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 1000, "not_audio"),
        (b"\0\0\0\x18ftypisom" + b"\xff" * 1000, "not_audio"),
        (b"OggS" + b"\xff" * 3000, "not_audio"),
        (b"fLaC" + b"\xff" * 3000, "not_audio"),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\0" * 3000, "not_audio"),
    ],
)
def test_junk_and_headers_that_lie(raw, code):
    found = heard_or_why(raw)
    if code is not None:
        assert found == code
    elif not isinstance(found, str):
        assert len(found) <= 10 * SAMPLE_RATE


@pytest.mark.parametrize("format", [("MP3", None), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("WAV", "PCM_16")])
def test_every_way_to_cut_a_file(format, sound, encoded):
    raw = encoded(sound(seconds=2.0), 16_000, *format)
    whole = len(listen(raw))
    for share in (0.02, 0.3, 0.7, 0.97):
        found = heard_or_why(raw[: int(share * len(raw))])
        assert found in ("not_audio", "too_short", "silent") if isinstance(found, str) else len(found) > 0.9 * whole
    assert refused(raw[: len(raw) // 2])[0] == "not_audio"


def test_names_are_only_told_back(encoded, sound):
    for name in ("../../etc/passwd", "C:\\x.wav", "/dev/null", "a\0b", "x" * 10_000, "ñ \U0001f600"):
        assert len(listen(encoded(sound()), name=name))
        assert refused(b"junk", name=name)[0] == "not_audio"


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MB


@pytest.mark.parametrize("rate", [16_000, 48_000, 655_350])
def test_a_bomb_of_silence_costs_no_more_than_its_limit(rate, encoded, tmp_path):
    """Hours of silence in a small flac: it is decoded as far as the limit, and in little memory."""
    import soundfile

    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", rate, 8, "PCM_16", format="FLAC") as stream:
        block = np.zeros((1 << 19, 8), dtype=np.int16)
        for _ in range(40 * min(rate, 200_000) // len(block) + 1):
            stream.write(block)
    raw = path.read_bytes()
    assert len(raw) < 400_000
    before, began = peak(), time.monotonic()
    assert refused(raw, longest=30.0)[0] in ("too_long", "not_audio")
    assert peak() - before < 120
    assert time.monotonic() - began < 20


def test_segments_hold_all_samples_and_none_is_longer():
    for seconds in (0.3, 14.99, 15.0, 15.01, 31.7, 300.0):
        waveform = np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE)).astype(np.float32)
        parts = segments(waveform, 15.0)
        if seconds <= 15:
            assert parts == ()
            continue
        np.testing.assert_array_equal(np.concatenate([part.waveform for part in parts]), waveform)
        assert max(len(part.waveform) for part in parts) <= 15 * SAMPLE_RATE
        assert parts[0].start == 0
        assert parts[-1].end == pytest.approx(seconds, abs=1e-3)
        assert [a.end for a in parts[:-1]] == [b.start for b in parts[1:]]


def test_audible():
    assert not audible(np.zeros(16_000, dtype=np.float32))
    assert not audible(np.ones(399, dtype=np.float32))
    assert audible(np.full(400, 1e-3, dtype=np.float32))


def test_private_folders_are_private_and_go_away():
    with private_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "x").write_bytes(b"x")
    assert not folder.exists()


def test_without_room_in_memory_files_go_where_temporary_ones_do(monkeypatch, tmp_path, encoded, sound):
    """A container's /dev/shm has 64 MB."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "ROOM", 1 << 62)
    with private_folder() as folder:
        assert folder.parent == tmp_path
    assert len(listen(encoded(sound())))
    assert list(tmp_path.iterdir()) == []
