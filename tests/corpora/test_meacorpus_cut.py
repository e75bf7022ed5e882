"""Cutting clips out of videos made here: to the right sample, resumed, and with every way to fall short told."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emospeech.cli import data
from emospeech.cli.cut import cut as command
from emospeech.cli.main import main
from emospeech.corpora import meacorpus2023, meacorpus_cut
from emospeech.data import audio
from emospeech.runtime.errors import UserError, WorkError

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is not installed")
NAMES, KEYS = meacorpus2023.TABLES[:2]
SEGMENTS = {
    "a-1": ("-key_1", 0.0, 1.5),
    "b-2": ("-key_1", 7.25, 9.0),
    "c-3": ("k2", 2.0, 3.0),
    "d-4": ("gone", 0.0, 1.0),
}


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Ten seconds of noise in the band that every codec keeps, no part of it like another."""
    rng = np.random.default_rng(0)
    noise = np.convolve(rng.standard_normal(160_000), np.hanning(16) / 8, mode="same")
    return (0.2 * noise / np.abs(noise).max()).astype(np.float32)


@pytest.fixture
def videos(tmp_path, sound):
    """A folder of videos: file name -> ffmpeg's options for it; each holds the sound."""
    wav = tmp_path / "sound.wav"
    soundfile.write(wav, sound, 16_000)

    def videos(**files: str) -> Path:
        folder = tmp_path / "my videos"
        folder.mkdir(exist_ok=True)
        for name, options in files.items():
            run(["-i", str(wav), *options.split(), f"file:{folder / name}"])
        return folder

    return videos


def run(options: list[str]) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-nostdin", *options], check=True)


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    names, keys = ["filename,label,transcription,split"], [",".join(meacorpus2023.KEYED)]
    for k, (name, (key, start, end)) in enumerate(SEGMENTS.items()):
        names.append(f"{name}.mp3,joy,text {k},train")
        keys.append(f"{key},{k}.mp3,male,{1000 * start},{1000 * end},joy,text {k},train")
    (folder / NAMES).write_text("\n".join(names), encoding="utf-8")
    (folder / KEYS).write_text("\n".join(keys), encoding="utf-8")
    return folder


@pytest.fixture
def registered(monkeypatch):
    """The command under `emospeech data`."""
    monkeypatch.setattr(data.app, "registered_commands", list(data.app.registered_commands))
    if "cut" not in [one.name for one in data.app.registered_commands]:
        data.app.command("cut")(command)


def offset(clip: np.ndarray, whole: np.ndarray) -> int:
    """The sample of `whole` at which the clip begins, by the peak of their correlation."""
    size = len(clip) + len(whole)
    spectrum = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(clip, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(whole)]))


MP4 = "-f lavfi -i color=black:s=64x64:r=5 -shortest -c:v mpeg4 -c:a aac -b:a 96k"


@needs_ffmpeg
@pytest.mark.parametrize(
    ("suffix", "options", "encoding"),
    [
        (".mp4", MP4, "flac"),
        (".mp4", MP4, "mp3"),
        (".mkv", MP4.replace("aac", "libvorbis"), "flac"),
        (".webm", "-c:a libopus -b:a 64k", "flac"),
        (".m4a", "-c:a aac -b:a 96k", "flac"),
        (".mp3", "-ar 44100 -c:a libmp3lame -q:a 4", "flac"),
        (".wav", "-ac 2 -ar 48000", "mp3"),
    ],
)
def test_clips_begin_and_end_where_the_table_says(root, videos, sound, tmp_path, suffix, options, encoding):
    folder = videos(**{f"-key_1{suffix}": options, f"Some title [k2]{suffix.upper()}": options})
    done = meacorpus_cut.cut(root, folder, tmp_path / "out", encoding, jobs=2)
    assert sorted(done.made) == ["a-1", "b-2", "c-3"]
    assert (done.short, done.failed, done.missing) == ({}, {}, {"gone": 1})
    for name in done.made:
        path = tmp_path / "out" / f"{name}.{encoding}"
        _, start, end = SEGMENTS[name]
        clip = audio.load(path)
        assert soundfile.info(path).samplerate == 16_000
        assert soundfile.info(path).channels == 1
        assert len(clip) / 16_000 == pytest.approx(end - start, abs=0.05)
        assert offset(clip, sound) == pytest.approx(16_000 * start, abs=480)  # 30 ms: a lossy codec's delay and frames


@needs_ffmpeg
def test_cut_again_makes_what_is_not_there_whole(root, videos, tmp_path):
    folder, out = videos(**{"-key_1.wav": "", "k2.wav": ""}), tmp_path / "out"
    assert len(meacorpus_cut.cut(root, folder, out).made) == 3
    first = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert set(first) == {"a-1.flac", "b-2.flac", "c-3.flac"}, "nothing temporary is left"
    (out / "a-1.flac").write_bytes((out / "a-1.flac").read_bytes()[:9000])
    (out / "c-3.flac").unlink()
    done = meacorpus_cut.cut(root, folder, out)
    assert (sorted(done.made), done.there) == (["a-1", "c-3"], ("b-2",))
    assert (out / "b-2.flac").stat().st_mtime_ns == first["b-2.flac"]
    assert len(audio.load(out / "a-1.flac")) == 24_000


@needs_ffmpeg
def test_a_video_that_ends_too_early_or_has_no_sound(root, videos, tmp_path):
    folder = videos(**{"-key_1.wav": "-t 8", "k2.wav": "-t 1.5"})
    done = meacorpus_cut.cut(root, folder, tmp_path / "out")
    assert done.made == ("a-1",)
    assert done.short == {"b-2": "0.75 s of 1.75 s, then -key_1.wav ends"}
    assert done.failed == {"c-3": "k2.wav has no sound at 2.00 s; is it another, shorter one?"}
    assert not (tmp_path / "out/c-3.flac").exists()
    run([*MP4.split()[:4], "-t", "5", f"file:{folder}/k2.mp4"])  # preferred to the wav, but mute
    done = meacorpus_cut.cut(root, folder, tmp_path / "out")
    assert "does not contain any stream" in done.failed["c-3"]
    (folder / "k2.mp4").write_text("not a video")
    assert "Invalid data" in meacorpus_cut.cut(root, folder, tmp_path / "out").failed["c-3"]


@needs_ffmpeg
def test_the_command(root, videos, tmp_path, capsys, registered):
    folder = videos(**{"-key_1.wav": "", "k2.wav": "-t 1.5", "holiday.mp4": MP4})
    arguments = ["data", "cut", "meacorpus2023", str(root), "--videos", str(folder), "-o", str(root / "audio")]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "2 clips cut, 0 were there already\n1 video is missing, with 1 clips: gone\n" in said.out
    assert "1 clips could not be cut: c-3 (k2.wav has no sound at 2.00 s" in said.out
    assert "note: 1 files in" in said.err
    assert said.err.endswith("failed: 1 clips could not be cut\n")
    videos(**{"k2.wav": ""})
    assert main([*arguments, "--jobs", "1"]) == 0
    assert "1 clips cut, 2 were there already" in capsys.readouterr().out
    assert main(["data", "index", "meacorpus2023", str(root), "-o", str(tmp_path / "m.csv")]) == 0
    assert "4 rows, 3 with audio, 4 labelled" in capsys.readouterr().out
    assert main([*arguments[:2], "emodb", *arguments[3:]]) == 2
    assert "'emodb' is not handed out as times in videos; meacorpus2023 is" in capsys.readouterr().err
    assert main([*arguments, "--format", "aac"]) == 2
    assert "unknown format 'aac'; known: flac, mp3" in capsys.readouterr().err


def test_a_stop_says_how_to_go_on(root, tmp_path, capsys, registered, monkeypatch):
    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(meacorpus_cut, "cut", stopped)
    assert (
        main(["data", "cut", "meacorpus2023", str(root), "--videos", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    )
    assert "stopped; the clips in" in capsys.readouterr().err


@needs_ffmpeg
def test_without_names_clips_are_named_by_video_and_segment(root, videos, tmp_path):
    (root / NAMES).unlink()
    meacorpus_cut.cut(root, videos(**{"-key_1.wav": "", "k2.wav": ""}), root / "audio")
    assert (root / "audio/-key_1/0.flac").is_file()
    assert meacorpus2023.index(root)["audio"].notna().tolist() == [True, True, True, False]


def test_a_folder_without_videos_of_the_corpus(root, tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films/casablanca.mp4").write_text("x")
    (tmp_path / "films/k2.mp4").write_text("")
    with pytest.raises(UserError, match=r"no video of the corpus, and 2 other files .* such as -key_1\.mp4"):
        meacorpus_cut.cut(root, tmp_path / "films", tmp_path / "out")
    with pytest.raises(UserError, match="no folder"):
        meacorpus_cut.cut(root, tmp_path / "nowhere", tmp_path / "out")


def test_a_table_without_keys_cannot_be_cut(root, tmp_path):
    (root / KEYS).unlink()
    with pytest.raises(UserError, match=r"its table has no videos; cutting needs the release with .* youtube_key"):
        meacorpus_cut.cut(root, tmp_path, tmp_path / "out")


def test_a_name_that_leaves_the_folder_is_refused(root, tmp_path):
    table = root / NAMES
    table.write_text(table.read_text(encoding="utf-8").replace("a-1", "../../a-1"), encoding="utf-8")
    with pytest.raises(UserError, match=r"names a clip '\.\./\.\./a-1\.mp3'"):
        meacorpus_cut.segments(root)


def test_without_ffmpeg(root, tmp_path, monkeypatch):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/k2.mp4").write_text("x")
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(WorkError, match="needs the ffmpeg program"):
        meacorpus_cut.cut(root, tmp_path / "videos", tmp_path / "out")
