"""`emospeech augment` as typed."""

import numpy as np
import pytest
import soundfile

from emospeech.cli.main import main
from emospeech.data import audio

RECIPE = """
data: {corpus: demo, root: made}
speech:
  encoder: log_mel_cnn
  options: {width: 8, bands: 16, channels: [4]}
  crop_seconds: 1.0
  augment:
    apply: each
    effects:
      - {name: pitch, probability: 0.5, semitones: [-3.0, 3.0]}
      - {name: gain, probability: 0.5, db: [-6.0, 6.0]}
      - noise
"""


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    time = np.arange(24_000) / 16_000
    soundfile.write(tmp_path / "clip.wav", 0.3 * np.sin(2 * np.pi * 300 * time), 16_000)

    def go(*words):
        code = main(["augment", *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return go


def test_sounds_a_figure_and_what_was_done(typed, tmp_path):
    code, lines, _ = typed("recipe.yaml", "clip.wav", "-o", "out", "--count", "3", "--seed", "1")
    assert code == 0
    files = {path.name for path in (tmp_path / "out").iterdir()}
    sounds = [line.split(": ")[0] for line in lines[:-1]]
    assert files == {*sounds, "augmentation.png"}
    assert sounds[0] == "0_original.wav"
    np.testing.assert_array_equal(audio.load(tmp_path / "out/0_original.wav"), audio.load(tmp_path / "clip.wav"))
    for number, line in enumerate(lines[1:4], start=1):
        name, done = line.split(": ")
        effects = name.removesuffix(".wav").split("_", 1)
        assert effects[0] == str(number)
        assert effects[1].split("-") == [one.split()[0] for one in done.split("; ")]
        assert soundfile.info(tmp_path / "out" / name).frames == 16_000
    assert lines[-1].startswith("training alters 90% of its clips")
    again = typed("recipe.yaml", "clip.wav", "-o", "again", "--count", "3", "--seed", "1")[1]
    assert again[:-1] == lines[:-1]
    for name in sounds:
        one, other = (soundfile.read(tmp_path / folder / name)[0] for folder in ("out", "again"))
        np.testing.assert_array_equal(one, other)
    assert typed("recipe.yaml", "clip.wav", "-o", "other", "--count", "3", "--seed", "2")[1][1:4] != lines[1:4]


def test_of_a_real_voice_by_the_winners_recipe(typed, data_folder):
    clip = sorted((data_folder / "emodb" / "wav").glob("*.flac"))[0]
    words = ("speech.augment={apply: one, effects: [speed, reverb, noise]}", "speech.crop_seconds=null")
    code, lines, _ = typed("recipe.yaml", str(clip), "-o", "out", *words)
    assert code == 0
    assert len(lines) == 8
    assert lines[-1].startswith("training alters 60%")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["clip.wav", "-o", "."], "exists already"),
        (["clip.wav", "-o", "out", "speech.augment=null"], "augments nothing (speech.augment: null)"),
        (["none.wav", "-o", "out"], "none.wav: no such file"),
        (["recipe.yaml", "-o", "out"], "recipe.yaml: not audio that can be read"),
        (["empty.wav", "-o", "out"], "empty.wav: the file is empty"),
        (["clip.wav", "-o", "out", "speech.augment.apply=all"], "speech.augment.apply: should be 'one' or 'each'"),
        (["clip.wav", "-o", "out", "speech.augment.apply=one"], "pitch, gain with a probability of its own"),
        (["clip.wav", "-o", "out", "speech.augment.effects=[echo]"], "unknown effect 'echo'; known: speed"),
        (["clip.wav", "-o", "out", "--count", "0"], "--count"),
    ],
)
def test_mistakes(typed, tmp_path, words, expected):
    (tmp_path / "empty.wav").touch()
    code, lines, said = typed("recipe.yaml", *words)
    assert code == 2
    assert not lines
    assert expected in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({}, "holds no sound files (.wav, .flac, .ogg, .mp3, .opus, .m4a): it is empty"),
        ({"a.txt": b"x", "b.csv": b"y"}, "): only a.txt, b.csv"),
        ({"a.wav": b"junk", "b.txt": b"x"}, "1 of 1 sounds cannot be used, the first: noises/a.wav: not audio"),
        ({"a.wav": b""}, "noises/a.wav: the file is empty"),
        ({"a.wav": 0.0}, "noises/a.wav: silent"),
        ({"a.wav": 100}, "noises/a.wav: too short: 100 samples"),
        (None, "noises holds no sound files (.wav, .flac, .ogg, .mp3, .opus, .m4a): there is no such folder"),
    ],
)
@pytest.mark.parametrize("effect", ["noise", "reverb"])
def test_folders_that_cannot_serve(typed, tmp_path, made, expected, effect):
    """Named before any work, whichever way the recipe names them."""
    if made is not None:
        (tmp_path / "noises").mkdir()
    for name, content in (made or {}).items():
        if isinstance(content, bytes):
            (tmp_path / "noises" / name).write_bytes(content)
        else:
            sound = 0.1 * np.random.default_rng(0).standard_normal(content or 8000) * bool(content)
            soundfile.write(tmp_path / "noises" / name, sound, 16_000)
    key = {"noise": "noise_folder", "reverb": "impulse_folder"}[effect]
    flat = f"speech.augment={{effects: [{effect}], {key}: noises}}"
    own = f"speech.augment={{effects: [{{name: {effect}, folder: noises}}]}}"
    for words in (flat, own):
        code, _, said = typed("recipe.yaml", "clip.wav", "-o", "out", words)
        assert code == 2
        assert expected in said
