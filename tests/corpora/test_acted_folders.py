"""Acted corpora as people keep them: laid out otherwise, copied twice, spoiled, half there."""

import re
from collections import Counter
from pathlib import Path

import pytest

from emospeech.corpora import CORPORA
from emospeech.runtime.errors import UserError

ACTED = ("baved", "cremad", "emodb", "emofilm", "emovo", "mesd", "ravdess", "savee", "tess")


def index(name: str, root: Path):
    return CORPORA[name].index(root)


# -- copies as people keep them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
@pytest.mark.parametrize(
    ("name", "files", "ids"),
    [
        ("emodb", ["a b/wav/03a01Fa", "ñandú/08a01Wa"], ["03a01Fa", "08a01Wa"]),
        (
            "ravdess",
            ["Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-01-01-01", "Actor_02/03-01-05-01-01-01-02"],
            ["03-01-01-01-01-01-01", "03-01-05-01-01-01-02"],
        ),
        ("savee", ["AudioData/DC/a01", "JE/sa02", "JK_n30"], ["DC_a01", "JE_sa02", "JK_n30"]),
        ("emofilm", ["wav_corpus_16k/f_ans001aen_16k", "f_ans001ait"], ["f_ans001aen", "f_ans001ait"]),
        ("tess", ["OAF_neutral/OA_bite_neutral", "YAF_Neutral/YAF_bite_neutral"], None),
    ],
)
def test_ids_do_not_depend_on_the_copy(name, files, ids, suffix, make):
    rows = index(name, make(*[file + suffix for file in files]))
    assert rows["id"].tolist() == (ids or ["OAF_bite_neutral", "YAF_bite_neutral"])
    assert all(Path(path).is_file() for path in rows["audio"])


def test_the_root_may_be_a_speakers_folder(make, monkeypatch):
    root = make("DC/a01.wav", "DC/n30.wav") / "DC"
    assert index("savee", root)["id"].tolist() == ["DC_a01", "DC_n30"]
    monkeypatch.chdir(root)
    assert index("savee", Path())["id"].tolist() == ["DC_a01", "DC_n30"]


def test_a_copy_inside_the_copy_is_taken_once(make, capsys):
    data = "TESS Toronto emotional speech set data"
    names = [f"OAF_angry/OAF_{word}_angry.wav" for word in ("back", "bar", "base")]
    root = make(*[f"{data}/{name}" for name in names], *[f"{data}/{data}/{name}" for name in names])
    rows = index("tess", root)
    assert rows["source"].tolist() == [f"{data}/{name}" for name in names]
    assert "note: 3 files" in (told := capsys.readouterr().err)
    assert f"left out, further copies of clips that are there already: {data}/{data}/OAF_angry/OAF_back" in told


def test_wav_before_mp3(make, capsys):
    root = make("AudioMP3/1001_IEO_ANG_HI.mp3", "AudioWAV/1001_IEO_ANG_HI.wav")
    assert index("cremad", root)["source"].tolist() == ["AudioWAV/1001_IEO_ANG_HI.wav"]
    assert "1 file in" in capsys.readouterr().err


def test_song_and_video_are_counted(make, capsys):
    root = make(
        "Actor_01/03-01-01-01-01-01-01.wav",
        "Audio_Song_Actors_01-24/Actor_01/03-02-01-01-01-01-01.wav",
        "Audio_Song_Actors_01-24/Actor_01/03-02-01-01-01-02-01.wav",
        "Video/Actor_01/01-01-01-01-01-01-01.mp4",
        "Video/Actor_01/02-02-01-01-01-01-01.mp4",
        "Actor_25/03-01-01-01-01-01-25.wav",
    )
    assert index("ravdess", root)["id"].tolist() == ["03-01-01-01-01-01-01"]
    told = capsys.readouterr().err
    assert "2 files in" in told
    assert re.search(r"2 files in .* left out, song: Audio_Song", told)
    assert re.search(r"2 files in .* left out, video: Video/Actor_01/01-01", told)
    assert re.search(r"1 file in .* left out, of no speaker of the corpus: Actor_25/", told)


def test_voices_made_less_natural_are_left_out(make, capsys):
    root = make(
        "Mexican Emotional Speech Database (MESD)/Anger_F_B_abuso.wav",
        "Speaker-embedded naturalness-reduced female voices/Anger_F_B_robo.wav",
    )
    assert index("mesd", root)["id"].tolist() == ["Anger_F_B_abuso"]
    assert "left out, a voice made less natural by its authors: Speaker-embedded" in capsys.readouterr().err


# -- bad input ---------------------------------------------------------------------------------------------------


def test_empty_files_and_pointers_are_left_out_and_told(make, capsys):
    root = make("03a01Fa.wav", "wav/03a02Fc.wav")
    make("03a01Nc.wav", "wav/03a01Fa.flac", content=b"")
    make("03a01Wa.wav", content=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    rows = index("emodb", root)
    assert rows["source"].tolist() == ["03a01Fa.wav", "wav/03a02Fc.wav"]
    told = capsys.readouterr().err
    assert re.search(r"2 files in .* left out, empty \(0 bytes\): 03a01Nc\.wav, wav/03a01Fa\.flac", told)
    assert re.search(r"1 file in .* left out, pointers of git-lfs, .* run `git lfs pull` .*: 03a01Wa\.wav", told)


def test_what_a_mac_adds_is_not_sound(make, capsys):
    root = make(
        "wav/03a01Fa.wav", "wav/._03a01Fa.wav", "__MACOSX/wav/03a01Nc.wav", "x/__MACOSX/03a01Wa.wav", ".t/a.wav"
    )
    assert index("emodb", root)["id"].tolist() == ["03a01Fa"]
    assert "left out" not in capsys.readouterr().err


def test_links(make, tmp_path, capsys):
    store = make("1.wav", "clips/08a01Wa.wav", root="store")
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "03a01Fa.wav").symlink_to(store / "1.wav")
    (root / "wav").symlink_to(store / "clips", target_is_directory=True)
    (root / "09a01Fa.wav").symlink_to(store / "gone.wav")
    rows = index("emodb", root)
    assert rows["id"].tolist() == ["03a01Fa", "08a01Wa"]
    assert rows["audio"].tolist() == [str(root / "03a01Fa.wav"), str(root / "wav" / "08a01Wa.wav")]
    whole = tmp_path / "link"
    whole.symlink_to(root, target_is_directory=True)
    assert index("emodb", whole)["id"].tolist() == rows["id"].tolist()
    capsys.readouterr()


def test_links_to_nothing_alone(tmp_path):
    (tmp_path / "03a01Fa.wav").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"is not EMO-DB: it holds 1 links to nothing; expected files such as wav/03a"):
        index("emodb", tmp_path)


@pytest.mark.parametrize("name", ACTED)
def test_a_wrong_root(name, make, tmp_path):
    other = make("train.csv", "clips/a.mp3", "clips/b.mp3", "readme")
    with pytest.raises(UserError, match=r"is not .*: it holds 2 \.mp3, 1 \.csv, 1 no suffix; expected files such as"):
        index(name, other)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"it holds no files; expected files such as .*\.wav, at any depth"):
        index(name, tmp_path / "empty")
    with pytest.raises(UserError, match=r"no folder .*absent; expected files such as"):
        index(name, tmp_path / "absent")


@pytest.mark.parametrize("name", ACTED)
def test_one_corpus_is_not_another(name, make):
    examples = {
        "baved": "6/49-m-23-6-1-201.wav", "cremad": "1001_IEO_ANG_HI.wav", "emodb": "03a01Fa.wav",
        "emofilm": "f_ans001aen.wav", "emovo": "dis-f1-b1.wav", "mesd": "Anger_C_A_abajo.wav",
        "ravdess": "03-01-06-01-02-01-12.wav", "savee": "DC_a01.wav", "tess": "OAF_back_angry.wav",
    }  # fmt: skip
    root = make(*examples.values())
    assert index(name, root)["source"].tolist() == [examples[name]]


def test_half_a_corpus_says_whose_clips_are_missing(listing, make, capsys):
    names = [path for path, _ in listing("emodb")]
    kept = [name for name in names if not name.startswith(("wav/03", "wav/16b"))]
    lost = Counter(Path(name).stem[:2] for name in names) - Counter(Path(name).stem[:2] for name in kept)
    assert len(index("emodb", make(*kept))) == len(kept)
    told = capsys.readouterr().err
    parts = f"by speaker: 03 0 of 49, 16 {71 - lost['16']} of 71"
    assert f"note: {len(kept)} clips in" in told
    assert f"the published corpus has 535 ({parts}): a download or unpacking that is not finished?" in told


def test_strange_files_are_counted(make, capsys):
    root = make("wav/03a01Fa.wav", "wav/copy of 03a01Fa.wav", "wav/03c01Fa.wav", "wav/03a01Xa.wav", "erkennung.txt")
    assert index("emodb", root)["id"].tolist() == ["03a01Fa"]
    assert re.search(r"3 files in .* left out, not named as a clip of EMO-DB: wav/03a01Xa", capsys.readouterr().err)
