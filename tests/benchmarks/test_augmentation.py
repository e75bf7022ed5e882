"""The page of effects takes its costs from a script that must go on to run."""

import importlib.util
import sys

import numpy as np
import soundfile

from emospeech.config import recipes_folder
from emospeech.data.examples.augment import EFFECTS


def test_a_line_an_effect(tmp_path, monkeypatch, capsys):
    path = recipes_folder().parent / "benchmarks" / "augmentation.py"
    spec = importlib.util.spec_from_file_location("augmentation", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 16_000)
    monkeypatch.setattr(sys, "argv", ["augmentation.py", str(tmp_path / "a.wav"), "--seconds", "0.3", "--repeats", "1"])
    script.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("`")[1] for line in lines if "`" in line] == list(EFFECTS)
    assert sum(line.startswith(("| signalsmith", "| librosa")) for line in lines) == 4
