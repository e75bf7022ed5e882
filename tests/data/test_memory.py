import pickle

import numpy as np
import soundfile

from emospeech.data import audio
from emospeech.data.audio.memory import AudioMemory


def test_it_gives_what_load_gives_and_decodes_once_within_its_budget(tmp_path, monkeypatch):
    paths = [str(tmp_path / f"{k}.wav") for k in range(3)]
    for k, path in enumerate(paths):
        soundfile.write(path, np.random.default_rng(k).uniform(-0.5, 0.5, 1000), 16_000)
    expected = [audio.load(path) for path in paths]
    calls, load = [], audio.load
    monkeypatch.setattr(audio, "load", lambda path: calls.append(path) or load(path))
    memory = AudioMemory(budget=2 * 1000 * 4)  # two of the three clips
    for _ in range(3):
        for path, waveform in zip(paths, expected, strict=True):
            np.testing.assert_array_equal(memory.load(path), waveform)
    assert [calls.count(path) for path in paths] == [1, 1, 3]


def test_another_process_starts_empty():
    memory = AudioMemory(1000)
    memory.kept["x"] = np.zeros(10, np.float32)
    again = pickle.loads(pickle.dumps(memory))
    assert (again.kept, again.left) == ({}, 1000)
