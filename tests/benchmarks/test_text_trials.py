"""The trials behind `docs/best_without_pretraining.md` go on to run, on made-up tables."""

import importlib.util
import random

import pandas as pd

from emospeech.config import recipes_folder

SAID = {
    "neutral": "el tiempo en España mañana", "disgust": "qué asco de gobierno", "anger": "¡fuera ya!",
    "sadness": "lloro por mi madre", "joy": "¡qué alegría, gracias!", "fear": "¿quién anda ahí?",
}  # fmt: skip


def test_a_line_a_trial_and_the_votes_of_those(tmp_path, capsys):
    path = recipes_folder().parent / "benchmarks" / "text_trials.py"
    spec = importlib.util.spec_from_file_location("text_trials", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rng = random.Random(0)
    rows = [
        (f"{k}.mp3", label, f"{text} {rng.choice('abcdef') * 3}") for k in range(10) for label, text in SAID.items()
    ]
    rows = [(f"{label}-{id}", label, text) for id, label, text in rows]
    frame = pd.DataFrame(rows, columns=["id", "label", "transcription"])
    frame.to_csv(tmp_path / "EmoSPeech_phase_2_train.csv", index=False)
    frame.assign(group=frame["id"]).to_csv(tmp_path / "groups.csv", index=False)
    script.main(str(tmp_path), str(tmp_path / "groups.csv"), "vote: regression, kernel, Bayes, trees", "NB-SVM")
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["seed", "0", "seed", "1", *(label[:5] for label in script.LABELS), "AP", "fear"]
    assert "vote: regression, kernel, Bayes, trees" in lines[-1]
    assert any(line.startswith("the same, NB-SVM") for line in lines)
    assert all(len(line[42:].split()) == 9 for line in lines)
