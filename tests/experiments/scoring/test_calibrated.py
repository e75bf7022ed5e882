"""Whose predictions a temperature fits: those of a run, of one that trained again on dev, of an exported model."""

import json

import pytest

from emospeech.cli.main import main
from emospeech.experiments.scoring.calibrated import BEFORE, DEV, Fitted, fitted, told
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.serve.engine import served

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}
"""


@pytest.mark.parametrize(("refit", "to"), [("null", DEV), ("train+dev", BEFORE)])
def test_a_refit_has_seen_dev_since(refit, to, challenge, tmp_path, capsys):
    (tmp_path / "words.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
    assert main(["train", str(tmp_path / "words.yaml"), f"runs_dir={tmp_path}", f"data.refit={refit}"]) == 0
    run = RunFolder(tmp_path / "words")
    assert main(["export", str(run.path), str(tmp_path / "given")]) == 0
    scores = json.loads(run.scores.read_text(encoding="utf-8"))
    found = fitted(run, scores["dev"]["labels"])
    assert found.to == to
    (tmp_path / "new.csv").write_text(
        "id,transcription,label\na,qué alegría,joy\nb,qué rabia,anger\n", encoding="utf-8"
    )
    for name in ("words", "given"):
        output = tmp_path / f"{name}.json"
        assert main(["evaluate", str(tmp_path / name), str(tmp_path / "new.csv"), "--json", str(output)]) == 0
        assert json.loads(output.read_text(encoding="utf-8"))["calibration"]["fitted_to"] == to
        assert f"fitted to {to}\n" in capsys.readouterr().out
    model = served.load(run.path)
    assert (model.temperature, model.fitted_to) == (found.temperature, to)
    assert fitted(RunFolder(tmp_path / "given"), model.labels) == found


def test_scores_of_earlier_versions_are_read():
    values = {"plain": {"ece": 0.08}, "tempered": {"ece": 0.03}, "temperature": 1.5}
    assert told(values).endswith("at temperature 1.50, fitted to dev")


@pytest.mark.parametrize("temperature", [-3, 0, "x", None, float("nan")])
def test_a_damaged_temperature_is_told(temperature, tmp_path):
    calibration = {"temperature": temperature, "fitted_to": "dev"}
    (tmp_path / "config.json").write_text(json.dumps({"calibration": calibration}), encoding="utf-8")
    with pytest.raises(UserError, match="should have a temperature above 0"):
        fitted(RunFolder(tmp_path), ["joy"])
    (tmp_path / "config.json").write_text(json.dumps({"calibration": {**calibration, "temperature": 2}}))
    assert fitted(RunFolder(tmp_path), ["joy"]) == Fitted(2.0)
