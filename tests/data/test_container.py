"""What containers announce, byte by byte."""

import numpy as np
import pytest
import soundfile

from emospeech.data.audio import container


@pytest.fixture
def sound(tmp_path):
    """Write two seconds of noise; the path."""

    def sound(name, rate=16_000, **how):
        noise = 0.1 * np.random.default_rng(0).standard_normal(2 * rate)
        soundfile.write(tmp_path / name, noise, rate, **how)
        return tmp_path / name

    return sound


@pytest.mark.parametrize(
    ("rate", "frame"), [(8_000, 576), (16_000, 576), (22_050, 576), (32_000, 1152), (48_000, 1152)]
)
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_frames_hold_the_sound_and_a_little_more(rate, frame, mode, sound):
    samples = container.mp3_samples(sound("a.mp3", rate, bitrate_mode=mode))
    assert samples % frame == 0
    assert 2 * rate <= samples <= 2 * rate + 6 * frame


def test_mp3_tags_are_stepped_over(sound, tmp_path):
    plain = sound("a.mp3")
    one = plain.read_bytes()
    picture = b"\xff\xfb\x90\x00" * 5000  # begins as a frame does
    tag = b"ID3\x04\x00\x00" + bytes([0, 1, 28, 32]) + picture
    assert len(picture) == (1 << 14) + (28 << 7) + 32  # seven bits a byte
    (tmp_path / "b.mp3").write_bytes(tag + one)
    (tmp_path / "c.mp3").write_bytes(tag + one + tag + one)
    assert container.mp3_samples(tmp_path / "b.mp3") == container.mp3_samples(plain)
    assert container.mp3_samples(tmp_path / "c.mp3") == 2 * container.mp3_samples(plain)


@pytest.mark.parametrize("content", [b"", b"ID3", b"\xff", b"\xff\xfb", b"text", b"\xff" * 100, b"\0" * 100])
def test_what_is_no_mp3_has_no_frames(content, tmp_path):
    (tmp_path / "a.mp3").write_bytes(content)
    assert container.mp3_samples(tmp_path / "a.mp3") == 0


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_an_ogg_file_is_whole_to_its_last_byte(name, sound):
    path = sound(name, format="OGG", subtype="OPUS" if name == "a.opus" else "VORBIS")
    assert not container.is_cut_ogg(path)
    raw = path.read_bytes()
    for missing in (1, 20, 500, len(raw) - 30):
        path.write_bytes(raw[:-missing])
        assert container.is_cut_ogg(path)


def test_other_files_are_not_cut_ogg(sound):
    assert not container.is_cut_ogg(sound("a.wav"))


@pytest.mark.parametrize(
    ("log", "missing"),
    [
        ("RIFF : 96036 (should be 48014)\ndata : 96000 (should be 47978)\n", 48022),
        ("RIFF : 96044 (should be 96036)\ndata : 96000\n", 0),  # writers that miscount the RIFF header
        ("LIST : 26 (should be 10)\ndata : 96000\n", 0),
        ("data : 96036 (should be 96000)", 0),
        ("data : 4294967295 (should be 643860)", 0),
        (" SSND : 96008 (should be 86402)", 9606),
        ("  Data Size   : 96000 (should be 86397)", 9603),
        ("", 0),
    ],
)
def test_missing_bytes(log, missing):
    assert container.missing_bytes(log) == missing
