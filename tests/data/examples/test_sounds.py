"""Folders of noises and rooms: what is found, what is refused, and that each is decoded once."""

import os

import numpy as np
import pytest
import soundfile

from emospeech import config
from emospeech.data import audio
from emospeech.data.audio import SAMPLE_RATE as RATE
from emospeech.data.examples.augment import sounds_in
from emospeech.runtime.errors import UserError
from emospeech.systems.checks import CHECKS

RNG = np.random.default_rng(0)


def test_sounds_in_a_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    soundfile.write(tmp_path / "deep" / "b.flac", 0.1 * RNG.standard_normal(8000), 8000)
    soundfile.write(tmp_path / "z.WAV", 0.1 * RNG.standard_normal(4000), RATE, format="WAV")
    (tmp_path / "README.txt").write_text("not a sound")
    assert [len(sound) for sound in sounds_in(str(tmp_path))] == [16_000, 4000]


def test_a_folder_without_sounds_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no sound files \(\.wav, \.flac"):
        sounds_in(str(tmp_path))
    with pytest.raises(UserError, match="holds no sound files"):
        sounds_in(str(tmp_path / "absent"))


def test_a_folder_with_a_broken_sound_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * RNG.standard_normal(8000), RATE)
    (tmp_path / "b.wav").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"1 of 2 sounds cannot be used, the first: .*b\.wav: not audio"):
        sounds_in(str(tmp_path))


def test_each_folder_is_decoded_once(tmp_path, monkeypatch):
    """By whichever key or recipe it is named; again when a file has changed, come or gone."""
    decoded, fault = [], audio.fault
    monkeypatch.setattr(audio, "fault", lambda path: (decoded.append(path.name), fault(path))[1])

    def write(name, samples=8000):
        soundfile.write(tmp_path / name, 0.1 * RNG.standard_normal(samples), RATE)

    def found():
        decoded.clear()
        try:
            sounds_in(str(tmp_path))
        except UserError as error:
            return sorted(decoded), str(error)
        return sorted(decoded), None

    write("a.wav")
    write("b.wav")
    assert found() == (["a.wav", "b.wav"], None)
    sounds_in(str(tmp_path / ".." / tmp_path.name), decode=False)
    assert found() == ([], None)
    write("b.wav", 9000)
    assert found() == (["a.wav", "b.wav"], None), "another size"
    os.utime(tmp_path / "b.wav", ns=(0, 0))
    assert found() == (["a.wav", "b.wav"], None), "another time"
    (tmp_path / "a.wav").unlink()
    assert found() == (["b.wav"], None)
    (tmp_path / "c.wav").symlink_to(tmp_path / "gone.wav")
    names, message = found()
    assert names == ["b.wav", "c.wav"]
    assert "c.wav: no such file" in message
    assert found() == ([], message), "what is wrong with it is told again"
    write("gone.wav")
    assert found() == (["b.wav", "c.wav", "gone.wav"], None)


def test_a_recipe_decodes_what_it_names_twice_once(tmp_path, monkeypatch):
    decoded, fault = [], audio.fault
    monkeypatch.setattr(audio, "fault", lambda path: (decoded.append(path.name), fault(path))[1])
    soundfile.write(tmp_path / "a.wav", 0.1 * RNG.standard_normal(8000), RATE)
    effects = [{"name": "noise", "folder": str(tmp_path)}, {"name": "reverb", "folder": str(tmp_path)}]
    augment = {"effects": effects, "noise_folder": str(tmp_path)}
    plain = {"name": "r", "data": {"corpus": "demo", "root": "x"}, "speech": {"encoder": "log_mel_cnn"}}
    for _ in range(2):
        config.validate({**plain, "speech": {**plain["speech"], "augment": augment}}, "recipe", CHECKS)
    assert decoded == ["a.wav"]
