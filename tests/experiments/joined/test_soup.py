"""`emospeech soup` as typed."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score

from emospeech.cli.main import main
from emospeech.experiments.joined import soup as soups

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
text: {encoder: subword_transformer, options: {width: 8, vocabulary: 100, depth: 1, heads: 2}}
model: {head: {blocks: 0}}
train: {epochs: 3, batch_size: 8, optimizer: {lr: 0.02}, trackers: []}
"""
WEIGHTS = "model/model.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, challenge):
    """Runs of three seeds."""
    folder = tmp_path_factory.mktemp("soup")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("r.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
        assert main(["train", "r.yaml", "train.seed=[1,2,3]"]) == 0
    return folder


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def soup(*words):
    return main(["soup", *words, "-o", "runs/soup"])


def test_a_soup_of_a_model_with_itself_is_the_model(folder):
    shutil.copytree("runs/r/seed_1", "runs/copy")
    assert soup("runs/r/seed_1", "runs/copy") == 0
    one, both = (load_file(f"runs/{name}/{WEIGHTS}") for name in ("copy", "soup"))
    assert one.keys() == both.keys()
    assert all(torch.equal(one[key], both[key]) for key in one)


def test_the_uniform_soup_of_seeds_is_a_run(folder, challenge, capsys):
    assert soup("runs/r") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "run: runs/soup"
    parts = [load_file(f"runs/r/seed_{k}/{WEIGHTS}") for k in (1, 2, 3)]
    found = load_file(f"runs/soup/{WEIGHTS}")
    for key, value in found.items():
        torch.testing.assert_close(value, sum(part[key].double() for part in parts).div(3).to(value.dtype))
    told = json.loads(Path("runs/soup/soup.json").read_text())
    scores = [json.loads(Path(f"runs/r/seed_{k}/scores.json").read_text())["dev"]["macro_f1"] for k in (1, 2, 3)]
    assert told["how"] == "uniform"
    assert [one["run"] for one in told["members"]] == [f"runs/r/seed_{k}" for k in (1, 2, 3)]
    assert [one["dev_macro_f1"] for one in told["members"]] == scores
    assert all(len(one["weights_sha256"]) == 64 for one in told["members"])
    # it is taken wherever a run is
    table = str(challenge / "EmoSPeech_phase_2_test_public.csv")
    assert main(["submit", "runs/soup", "--test", table, "-o", "s.csv"]) == 0
    assert main(["predict", "runs/soup", table, "-o", "p.csv"]) == 0
    gold = challenge / "EmoSPeech_phase_2_train.csv"
    assert main(["evaluate", "runs/soup", str(gold)]) == 0
    assert "warning: 36 of these 36 rows trained or steered the run" in capsys.readouterr().err


def test_greedy_is_never_below_its_first_on_dev(folder, challenge):
    assert soup("runs/r", "--greedy") == 0
    told = json.loads(Path("runs/soup/soup.json").read_text())
    own = [one["dev_macro_f1"] for one in told["members"]]
    assert own == sorted(own, reverse=True)
    assert told["members"][0]["kept"]
    assert told["dev_macro_f1"] >= own[0]
    for one in told["members"]:
        assert one["dev_macro_f1"] == json.loads(Path(one["run"], "scores.json").read_text())["dev"]["macro_f1"]
    kept = [load_file(Path(one["run"], WEIGHTS)) for one in told["members"] if one["kept"]]
    for key, value in load_file(f"runs/soup/{WEIGHTS}").items():
        torch.testing.assert_close(value, sum(part[key].double() for part in kept).div(len(kept)).to(value.dtype))
    answers = pd.read_csv("runs/soup/dev_predictions.csv")
    gold = pd.read_csv(challenge / "EmoSPeech_phase_2_train.csv").set_index("id")["label"].loc[answers["id"]]
    score = f1_score(gold, answers["label"], average="macro")
    assert score == pytest.approx(told["dev_macro_f1"])
    assert json.loads(Path("runs/soup/scores.json").read_text())["dev"]["macro_f1"] == pytest.approx(score)
    assert not list(Path("runs/soup").glob("tried*"))
    assert main(["leaderboard", "runs"]) == 0
    assert main(["evaluate", "runs/soup", str(challenge / "EmoSPeech_phase_2_train.csv")]) == 0


def test_greedy_asks_the_dev_rows_that_steered(folder, challenge, capsys):
    """With the labels that they had then."""
    for run in Path("runs/r").glob("seed_*"):
        split = pd.read_csv(run / "split.csv")
        at = split.index[split["split"] == "dev"][0]
        split.loc[at, "label"] = "fear" if split.loc[at, "label"] != "fear" else "joy"
        split.to_csv(run / "split.csv", index=False)
    assert soup("runs/r", "--greedy") == 2
    assert "no longer has the dev rows of its split.csv, with their labels" in capsys.readouterr().err


def test_a_soup_of_bare_models_warns_of_no_rows(folder, challenge, capsys):
    assert soup("runs/r/seed_1/model", "runs/r/seed_2/model") == 0
    assert "not all of these tell who trained them" in capsys.readouterr().err
    assert not Path("runs/soup/split.csv").exists()
    assert main(["evaluate", "runs/soup", str(challenge / "EmoSPeech_phase_2_train.csv")]) == 0


def test_greedy_leaves_out_what_harms(folder):
    """A member turned upside down serves nobody."""
    weights = load_file(f"runs/r/seed_3/{WEIGHTS}")
    save_file({key: -30 * value for key, value in weights.items()}, f"runs/r/seed_3/{WEIGHTS}")
    assert soup("runs/r", "--greedy") == 0
    told = {one["run"]: one["kept"] for one in json.loads(Path("runs/soup/soup.json").read_text())["members"]}
    assert not told["runs/r/seed_3"]


def test_it_is_written_whole_or_not_at_all(folder, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(soups, "_seen", full)
        assert soup("runs/r") == 1
    assert sorted(path.name for path in Path("runs").iterdir()) == ["r"]
    assert main(["soup", "runs/r", "-o", "runs/r"]) == 2
    assert "runs/r exists already" in capsys.readouterr().err


def test_what_differs_is_told_at_once(folder, challenge, capsys):
    words = ["name=other", "text.options.width=16", "model.pooling=mean", "train.epochs=1"]
    assert main(["train", "r.yaml", *words]) == 0
    capsys.readouterr()
    assert soup("runs/r", "runs/other") == 2
    told = capsys.readouterr().err
    assert "runs/r/seed_1 and runs/other cannot be averaged" in told
    assert "text.options.width: 8, and 16" in told
    assert "model.pooling.name: attention, and mean" in told
    assert "epochs" not in told
    stored = json.loads(Path("runs/r/seed_2/model/config.json").read_text())
    stored["tasks"]["label"].reverse()
    Path("runs/r/seed_2/model/config.json").write_text(json.dumps(stored))
    assert soup("runs/r") == 2
    assert "task label: neutral, " in capsys.readouterr().err


def test_words_that_are_numbered_differently_are_refused(folder, capsys):
    for path in Path("runs/r/seed_2/model/tokenizer").glob("tokenizer.json"):
        path.write_text(path.read_text() + " ")
    assert soup("runs/r") == 2
    assert "tokenizer: they number words differently" in capsys.readouterr().err


def test_adapters_have_no_mean(folder, tiny_xlmr, capsys):
    encoder = f"text={{encoder: {tiny_xlmr}, train: lora}}"
    assert main(["train", "r.yaml", "name=lora", encoder, "train.epochs=1", "train.seed=[1,2]"]) == 0
    assert soup("runs/lora") == 2
    assert "runs/lora/seed_1: text trained by lora" in capsys.readouterr().err


def test_pretrained_encoders_are_told_by_what_they_are(folder, tiny_xlmr, tiny_roberta, capsys):
    copy = shutil.copytree(tiny_xlmr, "moved")
    for name, encoder in (("a", tiny_xlmr), ("b", copy), ("c", tiny_roberta)):
        assert main(["train", "r.yaml", f"name={name}", f"text={{encoder: {encoder}}}", "train.epochs=1"]) == 0
    assert soup("runs/a", "runs/c") == 2
    told = capsys.readouterr().err
    assert "text encoder: " in told
    assert "SHA-256" in told
    assert soup("runs/a", "runs/b") == 0, "the same checkpoint in another folder"


def classical(name="classical"):
    words = ["system=classical", "classical={features: [tfidf]}", "text=null", f"name={name}"]
    assert main(["train", "r.yaml", *words]) == 0


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (None, ["runs/r/seed_1"], "runs/r/seed_1 is one model; a soup is made of two or more"),
        (None, ["runs/r", "runs/none"], "no run folder runs/none"),
        (classical, ["runs/r", "runs/classical"], "runs/classical: system classical has no weights"),
        (
            lambda: Path("runs/r/seed_1", WEIGHTS).write_bytes(b"short"),
            ["runs/r"],
            "the model in runs/r/seed_1/model is damaged",
        ),
        (
            lambda: Path("runs/r/seed_2/split.csv").unlink(),
            ["runs/r", "--greedy"],
            "runs/r/seed_2 has no split.csv",
        ),
        (
            lambda: main(["train", "r.yaml", "name=refit", "data.refit=train+dev"]),
            ["runs/refit", "runs/r", "--greedy"],
            "runs/refit: its weights have seen dev (data.refit: train+dev)",
        ),
        (
            lambda: main(["train", "r.yaml", "name=drawn", "data.split.seed=5"]),
            ["runs/r", "runs/drawn", "--greedy"],
            "were trained or steered by other rows",
        ),
    ],
)
def test_what_cannot_be_averaged(folder, capsys, spoil, words, message):
    if spoil:
        spoil()
    capsys.readouterr()
    assert soup(*words) == 2
    told = capsys.readouterr().err
    assert message in told
    assert not Path("runs/soup").exists()
