"""Every kind of sound file, whole and broken, through `audio.load`."""

import os
import shutil
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile

from emospeech.data import audio

RATE = audio.SAMPLE_RATE
PITCH = 440.0  # Hz


def sine(seconds: float = 1.0, rate: int = RATE, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * PITCH * np.arange(round(seconds * rate)) / rate)


def pitch_of(waveform: np.ndarray) -> float:
    """Hz of the strongest component, to about a hertz."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), n=2 * RATE))
    return float(spectrum.argmax()) / 2


@pytest.fixture
def write(tmp_path):
    def write(name, samples, rate=RATE, **how):
        soundfile.write(tmp_path / name, samples, rate, **how)
        return tmp_path / name

    return write


@pytest.fixture
def cut(write):
    """A file of noise and tone whose last part is missing."""

    def cut(name, keep, seconds=2.0, rate=RATE, **how):
        noise = np.random.default_rng(0).standard_normal(round(seconds * rate))
        path = write(name, 0.5 * sine(seconds, rate) + 0.05 * noise, rate, **how)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * keep)])
        return path

    return cut


@pytest.fixture
def no_ffmpeg(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)


OPUS = {"format": "OGG", "subtype": "OPUS"}


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.wav", {}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.opus", OPUS),
        ("a.WAV", {"format": "WAV"}),
        ("24bit.wav", {"subtype": "PCM_24"}),
        ("24bit.flac", {"subtype": "PCM_24"}),
        ("8bit.wav", {"subtype": "PCM_U8"}),
        ("float.wav", {"subtype": "FLOAT"}),
        ("mulaw.wav", {"subtype": "ULAW"}),
        ("a.aiff", {}),
        ("a.rf64", {"format": "RF64"}),
        ("la canción de mañana (1) 100%.mp3", {}),
        ("no_suffix", {"format": "WAV"}),
        ("wrong.wav", {"format": "FLAC"}),  # the content decides, not the name
    ],
)
def test_reads(name, how, write):
    waveform = audio.load(write(name, sine(), **how))
    assert waveform.dtype == np.float32
    assert waveform.shape == (RATE,)
    assert pitch_of(waveform) == pytest.approx(PITCH, abs=1)
    assert np.abs(waveform[1000:-1000]).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("seconds", [0.5, 1.2345])
def test_any_rate_keeps_duration_and_pitch(rate, seconds, write):
    path = write("a.wav", sine(seconds, rate), rate)
    waveform = audio.load(path)
    assert abs(len(waveform) - seconds * RATE) <= 1
    assert pitch_of(waveform) == pytest.approx(PITCH, abs=1)
    assert audio.fault(path) is None
    assert audio.duration(path) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_mp3_at_another_rate_keeps_its_length(rate, write):
    waveform = audio.load(write("a.mp3", sine(2.0, rate), rate))
    assert abs(len(waveform) - 2 * RATE) <= 1
    assert pitch_of(waveform) == pytest.approx(PITCH, abs=1)


def test_channels_are_averaged(write):
    channels = np.stack([sine() * gain for gain in (1, 0, 0.5, 0.25, 0, 0.25)], axis=1)
    waveform = audio.load(write("six.wav", channels, subtype="FLOAT"))
    np.testing.assert_allclose(waveform, sine() / 3, atol=1e-6)


def test_ten_minutes(write):
    path = write("long.flac", np.tile(sine(1.0, 8_000), 600), 8_000)
    assert len(audio.load(path)) == 600 * RATE


def test_longer_than_one_block_is_joined_without_a_seam(write, monkeypatch):
    whole = audio.load(write("a.flac", sine()))
    monkeypatch.setattr(audio, "BLOCK", 999)
    np.testing.assert_array_equal(audio.load(write("a.flac", sine())), whole)


def test_stays_within_one_even_where_the_file_does_not(write):
    waveform = audio.load(write("loud.wav", sine(amplitude=3.0), subtype="FLOAT"))
    assert waveform.max() == 1.0
    assert waveform.min() == -1.0


def test_a_name_that_is_not_utf8(write, tmp_path):
    path = tmp_path / os.fsdecode(b"ca\xf1on.wav")
    try:
        shutil.copy(write("a.wav", sine()), path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert len(audio.load(path)) == RATE


# -- broken files ------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(audio.BadAudio, match=r"a\.mp3: no such file"):
        audio.load(tmp_path / "a.mp3")
    assert audio.fault(tmp_path / "a.mp3") == "no such file"
    assert audio.fault(tmp_path) == "no such file"
    assert audio.fault(tmp_path / ("a sentence in the wrong column " * 20)) == "no such file"


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.ogg"])
def test_empty_file(name, tmp_path):
    (tmp_path / name).touch()
    assert audio.fault(tmp_path / name) == "the file is empty"


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.ogg", "a.opus", "a.raw"])
@pytest.mark.parametrize(
    "content",
    [b"esto es texto\n" * 300, b"<html>404 Not Found</html>", np.random.default_rng(1).bytes(20_000), b"\0" * 5000],
    ids=["text", "html", "random", "zeros"],
)
def test_junk(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert audio.fault(tmp_path / name).startswith("not audio that can be read (")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.wav", {}),
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.opus", OPUS),
        ("a.mp3", {}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.rf64", {"format": "RF64"}),
        ("a.w64", {}),
    ],
)
@pytest.mark.parametrize("keep", [0.3, 0.5, 0.9])
def test_truncated(name, how, keep, cut):
    path = cut(name, keep, **how)
    assert "cut short" in audio.fault(path)
    with pytest.raises(audio.BadAudio, match="cut short"):
        audio.load(path)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_truncated_mp3_tells_how_much_is_left(rate, cut):
    assert audio.fault(cut("a.mp3", 0.5, seconds=4.0, rate=rate)).endswith("s of 4.00 s can be read")


def test_a_wav_that_lacks_its_last_hundredth(cut):
    assert "the last 641 bytes that its header announces are missing" in audio.fault(cut("a.wav", 0.99))


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_from_a_pipe_is_whole(announced, write):
    """Programs that write to a pipe cannot know the length and announce the greatest."""
    path = write("a.wav", sine())
    raw = bytearray(path.read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = announced.to_bytes(4, "little")
    path.write_bytes(raw)
    assert len(audio.load(path)) == RATE


def test_a_flac_from_a_pipe_is_whole(write):
    """Its header says 0 samples in all, which stands for: unknown."""
    path = write("a.flac", sine())
    raw = bytearray(path.read_bytes())
    assert raw[4] & 0x7F == 0  # STREAMINFO; the number of samples is in the last 36 bits before its MD5
    raw[21] &= 0xF0
    raw[22:26] = bytes(4)
    path.write_bytes(raw)
    np.testing.assert_array_equal(audio.load(path), audio.load(write("b.flac", sine())))
    assert audio.duration(path) is None


def test_a_header_with_a_few_bytes_too_many_is_forgiven(write):
    path = write("a.wav", sine())
    raw = bytearray(path.read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = (2 * RATE + 36).to_bytes(4, "little")
    path.write_bytes(raw)
    assert len(audio.load(path)) == RATE


@pytest.fixture
def untagged_mp3(write):
    """Half a second of a quiet tone, then noise, at a variable bit rate, without the Xing frame that tells the
    length: libsndfile takes the first frame's rate for all, and would read less than there is."""
    rng = np.random.default_rng(0)
    path = write(
        "vbr.mp3",
        np.concatenate([0.001 * sine(0.5), 0.5 * rng.standard_normal(3 * RATE)]).clip(-1, 1),
        bitrate_mode="VARIABLE",
        compression_level=0.0,
    )
    raw = path.read_bytes()
    tag = min(raw.find(mark) for mark in (b"Xing", b"Info") if mark in raw)
    first, second = raw.rindex(b"\xff", 0, tag), raw.index(raw[:2], tag)
    path.write_bytes(raw[:first] + raw[second:])
    return path


def test_an_mp3_of_unknown_length_is_not_quietly_shortened(untagged_mp3, no_ffmpeg):
    assert soundfile.info(untagged_mp3).duration < 3.2
    with pytest.raises(audio.BadAudio, match=r"without its true length in the header needs the ffmpeg program"):
        audio.load(untagged_mp3)


def test_two_mp3_end_to_end_are_not_quietly_halved(write, tmp_path, no_ffmpeg):
    one = write("a.mp3", sine()).read_bytes()
    (tmp_path / "two.mp3").write_bytes(one + one)
    assert "without its true length" in audio.fault(tmp_path / "two.mp3")


def test_an_mp3_with_tags_at_both_ends(write, tmp_path):
    sound = write("a.mp3", sine()).read_bytes()
    picture = b"\xff\xfb" * 500  # bytes that look like the start of a frame
    front = b"ID3\x03\x00\x00" + bytes([0, 0, len(picture) >> 7, len(picture) & 0x7F]) + picture
    (tmp_path / "tagged.mp3").write_bytes(front + sound + b"TAG" + b"x".ljust(125, b"\0"))
    assert len(audio.load(tmp_path / "tagged.mp3")) == RATE


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac"])
def test_silence(name, write):
    assert audio.fault(write(name, np.zeros(RATE))).startswith("silent")
    assert not audio.load(write(name, np.zeros(RATE))).any()  # it loads: whether it may serve is another question


def test_a_quiet_clip_is_not_silent(write):
    assert audio.fault(write("quiet.wav", sine(amplitude=1e-4), subtype="FLOAT")) is None


@pytest.mark.parametrize("samples", [1, 3, audio.MIN_SAMPLES - 1])
def test_too_short(samples, write):
    path = write("short.wav", np.full(samples, 0.5))
    assert audio.fault(path) == f"too short: {samples} samples at 16 kHz, at least 400 are needed"
    assert len(audio.load(path)) == samples


def test_just_long_enough(write):
    assert audio.fault(write("a.wav", sine()[: audio.MIN_SAMPLES])) is None


def test_three_samples_at_a_high_rate(write):
    assert audio.fault(write("short.wav", np.full(3, 0.5), rate=96_000)).startswith("too short")


def test_raw_samples_without_a_header(write):
    path = write("a.raw", sine(), format="RAW", subtype="PCM_16")
    assert audio.fault(path) == "not audio that can be read (raw samples do not tell their rate)"
    assert audio.duration(path) is None


def test_no_samples(write):
    assert audio.fault(write("none.wav", np.zeros(0))) == "holds no samples"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(value, write):
    samples = sine()
    samples[100] = value
    assert audio.fault(write("a.wav", samples, subtype="FLOAT")) == "holds samples that are not numbers"


def test_a_user_error_names_the_file(tmp_path):
    (tmp_path / "a b.wav").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"a b\.wav: not audio that can be read \(junk or an unknown format\)"):
        audio.load(tmp_path / "a b.wav")


# -- what needs ffmpeg -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.m4a", "a.AAC", "a.webm", "a.mp4"])
def test_without_ffmpeg_the_message_names_it(name, tmp_path, no_ffmpeg):
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(audio.BadAudio, match=r"needs the ffmpeg program.*apt-get install ffmpeg.*or convert"):
        audio.load(tmp_path / name)


@pytest.fixture
def encode(write, tmp_path):
    """A tone through ffmpeg into a format that libsndfile does not write."""
    import subprocess

    program = audio.ffmpeg()
    if program is None:
        pytest.skip("there is no ffmpeg program for this machine")

    def encode(name, *options, seconds=3.0):
        source = write("source.wav", np.stack([sine(seconds, 44_100)] * 2, axis=1), 44_100)
        path = tmp_path / name
        subprocess.run([program, "-v", "error", "-i", source, *options, path], check=True)
        return path

    return encode


@pytest.mark.parametrize("name", ["a.m4a", "a.aac", "a.webm", "é: 100%.m4a"])
def test_through_ffmpeg(name, encode):
    path = encode(name)
    waveform = audio.load(path)
    assert waveform.dtype == np.float32
    assert len(waveform) / RATE == pytest.approx(3.0, abs=0.1)
    assert pitch_of(waveform) == pytest.approx(PITCH, abs=1)
    assert audio.fault(path) is None


@pytest.mark.parametrize(("name", "options"), [("a.webm", ()), ("a.m4a", ()), ("a.m4a", ("-movflags", "+faststart"))])
def test_truncated_through_ffmpeg(name, options, encode):
    path = encode(name, *options)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * 0.6)])
    assert audio.fault(path).startswith(("cut short", "not audio that ffmpeg can read"))


def test_junk_through_ffmpeg(encode, tmp_path):
    (tmp_path / "junk.m4a").write_bytes(b"esto es texto\n" * 100)
    assert audio.fault(tmp_path / "junk.m4a").startswith("not audio that ffmpeg can read (")


def test_an_mp3_of_unknown_length_is_read_whole_by_ffmpeg(encode, untagged_mp3):
    assert len(audio.load(untagged_mp3)) / RATE == pytest.approx(3.5, abs=0.15)


def test_the_ffmpeg_that_comes_with_a_package_serves(encode, monkeypatch):
    path = encode("a.webm")
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert len(audio.load(path)) == pytest.approx(3 * 16_000, abs=1600)


def test_content_tells_what_needs_ffmpeg(encode):
    path = encode("a.webm")
    unnamed = path.rename(path.with_name("upload"))
    assert len(audio.load(unnamed)) == pytest.approx(3 * 16_000, abs=1600)


def test_a_playlist_reads_no_other_file(write, tmp_path):
    other = write("other.wav", sine(3.0, 16_000), 16_000)
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{other}'\n")
    (tmp_path / "hls.m4a").write_text(f"#EXTM3U\n#EXTINF:3,\nfile://{other}\n#EXT-X-ENDLIST\n")
    for name in ("list.mp4", "hls.m4a"):
        with pytest.raises(audio.BadAudio, match="not audio that ffmpeg can read"):
            audio.load(tmp_path / name)


# -- at most so long ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac"])
def test_no_more_is_decoded_than_the_caller_takes(name, write):
    path = write(name, sine(3.0, 16_000), 16_000)
    assert len(audio.load(path, longest=3.5)) == pytest.approx(3 * 16_000, abs=2400)
    with pytest.raises(audio.TooLong, match=r"longer than 2\.5 s"):
        audio.load(path, longest=2.5)


def test_no_more_is_decoded_by_ffmpeg_either(encode):
    path = encode("a.webm")
    with pytest.raises(audio.TooLong):
        audio.load(path, longest=1.0)


def test_hours_of_silence_in_a_small_file_stay_small(tmp_path):
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1) as stream:
        for _ in range(60):
            stream.write(np.zeros(8_000 * 60, dtype=np.float32))
    tracemalloc.start()
    with pytest.raises(audio.TooLong):
        audio.load(path, longest=60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # one block; whole it is 115 MB


def test_a_rate_that_would_swell_is_refused(tmp_path):
    soundfile.write(tmp_path / "slow.wav", np.zeros(10_000), 10, subtype="PCM_16")
    with pytest.raises(audio.TooLong):
        audio.load(tmp_path / "slow.wav", longest=300)
