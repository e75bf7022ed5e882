"""`emospeech ensemble` as typed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from emospeech.cli.main import main
from emospeech.outputs import combined
from emospeech.runtime.errors import UserError

LABELS = ["anger", "joy", "neutral"]


def answers(ids, truth, noise, rng):
    seen = 2 * np.eye(3)[[LABELS.index(t) for t in truth]] + noise * rng.normal(size=(len(ids), 3))
    chances = softmax(seen, axis=1)
    frame = pd.DataFrame(chances, columns=[f"p_{label}" for label in LABELS])
    return frame.assign(id=ids, label=[LABELS[k] for k in chances.argmax(axis=1)])


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two systems' predictions of 200 labelled rows, out of fold, and of 60 others; gold of all."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for part, count in (("known", 200), ("new", 60)):
        ids, truth = [f"{part}{k}" for k in range(count)], rng.choice(LABELS, p=[0.1, 0.3, 0.6], size=count)
        pd.DataFrame({"id": ids, "label": truth, "video": [f"v{k // 8}" for k in range(count)]}).to_csv(
            f"{part}.csv", index=False
        )
        for name in "ab":
            frame = answers(ids, truth, 1.5, rng)
            if name == "b":  # another order of rows and columns
                frame = frame.sample(frac=1, random_state=1)[["label", "p_neutral", "p_joy", "p_anger", "id"]]
            frame.to_csv(f"{name}_{part}.csv", index=False)
    return tmp_path


FITTED = ("--out-of-fold", "a_known.csv", "--out-of-fold", "b_known.csv", "--gold", "known.csv")


def ensemble(*words, files=("a_new.csv", "b_new.csv"), output="out.csv"):
    return main(["ensemble", *files, "-o", output, *words])


def test_the_mean_needs_nothing_else(files, capsys):
    assert ensemble() == 0
    out = pd.read_csv("out.csv").set_index("id")
    first, second = (pd.read_csv(f"{name}_new.csv").set_index("id") for name in "ab")
    columns = [f"p_{label}" for label in LABELS]
    expected = (first[columns] + second.loc[first.index, columns]) / 2
    assert out.index.tolist() == first.index.tolist()
    np.testing.assert_allclose(out[columns], expected, atol=1e-6)
    assert out["label"].tolist() == expected.idxmax(axis=1).str.removeprefix("p_").tolist()
    kept = json.loads(Path("out.json").read_text())
    assert list(kept["members"]) == ["a_new.csv", "b_new.csv"]
    assert kept["temperature"] == 1
    assert not kept["reliability"]
    assert not Path("out_reliability.png").exists()
    assert capsys.readouterr().out == "60 rows: out.csv\n"


@pytest.mark.parametrize("how", ["mean", pytest.param("balanced_stacking", marks=pytest.mark.slow), "greedy"])
def test_what_is_fitted_is_told_with_an_estimate(files, capsys, painted, how):
    assert ensemble("--how", how, "--rule", "prior", *FITTED, "--by", "video") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("200 rows, each predicted by what has not seen it")
    assert [line.split()[0] for line in told[2:5]] == ["a_known.csv", "b_known.csv", f"{how},"]
    frame, gold = pd.read_csv("a_known.csv"), pd.read_csv("known.csv")
    assert told[2].split()[1] == f"{f1_score(gold['label'], frame['label'], average='macro'):.4f}"
    assert float(told[4].split()[3]) > float(told[2].split()[1])
    out, truth = pd.read_csv("out.csv"), pd.read_csv("new.csv")
    assert f1_score(truth["label"], out["label"], average="macro") > 0.6
    kept = json.loads(Path("out.json").read_text())
    assert kept["out_of_fold"][2]["macro_f1"] == pytest.approx(float(told[4].split()[3]), abs=1e-4)
    assert list(kept["offsets"]) == LABELS
    stages = kept["reliability"]
    assert list(stages) == ["as combined", "after the temperature", "after the rule prior"]
    assert f"{stages['after the rule prior']['ece']:.3f}" == told[4].split()[-1]
    assert sum(stages["as combined"]["count"]) == 200
    assert Path("out_reliability.png").stat().st_size > 1000
    first = Path("out.csv").read_bytes()
    assert ensemble("--how", how, "--rule", "prior", *FITTED, "--by", "video", output="again.csv") == 0
    assert Path("again.csv").read_bytes() == first


def test_the_estimate_knows_nothing_of_its_rows(files, monkeypatch):
    """A way that learns rows by heart has nothing of it in the estimate."""
    members = combined.read([Path("a_known.csv"), Path("b_known.csv")])
    truth, _ = combined.truth_of(members, Path("known.csv"), None)
    codes = np.array([members.labels.index(t) for t in truth])
    noise = np.random.default_rng(0).dirichlet([1, 1, 1], size=(2, 200))

    def by_heart(chances, truth, seed):
        known = {row.tobytes(): label for row, label in zip(chances[0], truth, strict=True)}
        return lambda others: np.eye(3)[[known.get(row.tobytes(), 0) for row in others[0]]] * 0.9 + 0.1 / 3

    monkeypatch.setitem(combined.WAYS, "heart", combined.WAYS["greedy"].__class__(by_heart, True, ""))
    folds = combined.folds_of(members, truth, None, 0)
    found = combined.nested(noise, codes, folds, "heart", "none", 0)[-1].argmax(axis=1)
    assert set(found.tolist()) == {0}


def test_classes_in_another_order(files):
    """Those of the files to answer count."""
    assert ensemble("--how", "greedy", *FITTED) == 0
    for name in "ab":
        rewrite(f"{name}_known.csv", lambda f: f[["id", "p_joy", "p_neutral", "p_anger", "label"]])
    assert ensemble("--how", "greedy", *FITTED, output="again.csv") == 0
    first, again = pd.read_csv("out.csv"), pd.read_csv("again.csv")
    pd.testing.assert_frame_equal(first, again)


def test_folds_of_a_benchmark_are_kept(files, capsys):
    """They are told in its files, and may keep apart what a gold table does not know of."""
    for name in "ab":
        rewrite(f"{name}_known.csv", lambda f: f.assign(fold=f["id"].str.removeprefix("known").astype(int) // 50))
    members = combined.read([Path("a_known.csv"), Path("b_known.csv")])
    folds = combined.folds_of(members, [""] * 200, None, 0)
    assert folds.tolist() == [k // 50 for k in range(200)]
    rewrite("b_known.csv", lambda f: f.assign(fold="fold " + f["fold"].astype(str)))  # by other names
    assert not combined.read([Path("a_known.csv"), Path("b_known.csv")]).at_odds
    rewrite("b_known.csv", lambda f: f.assign(fold=1))
    at_odds = combined.read([Path("a_known.csv"), Path("b_known.csv")])
    with pytest.raises(UserError, match=r"different folds; name the column of --gold .* --by speaker, or --by id"):
        combined.folds_of(at_odds, [""] * 200, None, 0)
    rewrite("a_known.csv", lambda f: f.assign(fold=f["id"].str.removeprefix("known").astype(int) // 100))
    with pytest.raises(UserError, match="two folds, and an ensemble is fitted in folds of folds"):
        combined.folds_of(combined.read([Path("a_known.csv")]), [""] * 200, None, 0)
    truth = pd.read_csv("known.csv")["label"].tolist()
    groups = pd.read_csv("known.csv")["video"].tolist()
    drawn = combined.folds_of(members, truth, groups, 0)
    assert all(len({f for f, g in zip(drawn, groups, strict=True) if g == one}) == 1 for one in set(groups))


def rewrite(name, change):
    change(pd.read_csv(name)).to_csv(name, index=False)


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (None, ["--how", "stackin"], "unknown --how 'stackin'; known: mean, rank_mean"),
        (None, ["--rule", "best"], "unknown --rule 'best'; known: none, prior, offsets"),
        (None, ["--how", "stacking"], "--how stacking is fitted to predictions of labelled rows"),
        (None, ["--rule", "prior"], "--rule prior is fitted to predictions of labelled rows"),
        (None, ["--gold", "known.csv"], "--out-of-fold and --gold go together"),
        (None, ["--out-of-fold", "a_known.csv", "--gold", "known.csv"], "2 files to combine but 1 with"),
        (None, [*FITTED, "--by", "speaker"], "no column 'speaker' for --by; there are id, label, video"),
        (("b_new.csv", lambda f: f.head(58)), [], "2 ids of the table have no prediction"),
        (("b_new.csv", lambda f: f.drop(columns="p_joy")), [], "rows the probabilities are no numbers"),
        (("b_new.csv", lambda f: f[["id", "label"]]), [], "b_new.csv has no probabilities (p_<class> …)"),
        (
            ("b_new.csv", lambda f: f.rename(columns={"p_joy": "p_bliss"})),
            [],
            "unknown label 'joy'; known: neutral, bl",
        ),
        (("b_new.csv", lambda f: f.assign(p_joy=2.0)), [], "of 60 rows the probabilities are no"),
        (("known.csv", lambda f: f.tail(150)), FITTED, "known.csv has no row for 50 ids of a_known.csv"),
        (("known.csv", lambda f: f.assign(label="bliss")), FITTED, "the members know no label 'bliss'"),
        (("known.csv", lambda f: f.assign(video="v")), [*FITTED, "--by", "video"], "which 1 groups are too few for"),
        (
            ("a_known.csv", lambda f: f.assign(id=f["id"].str.replace("known", "new"))),
            FITTED,
            "not about the same rows",
        ),
    ],
)
def test_what_cannot_be_made_one(files, capsys, spoil, words, message):
    if spoil:
        rewrite(*spoil)
    assert ensemble(*words) == 2
    assert message in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_the_temperature_mends_what_is_too_sure(files):
    for part in ("known", "new"):
        rewrite(f"a_{part}.csv", lambda f: sharpened(f, 6.0))
    alone = ["--out-of-fold", "a_known.csv", "--gold", "known.csv"]
    assert ensemble(*alone, files=["a_new.csv"]) == 0
    kept = json.loads(Path("out.json").read_text())
    assert kept["temperature"] > 3
    assert kept["reliability"]["after the temperature"]["ece"] < 0.5 * kept["reliability"]["as combined"]["ece"]
    Path("out.csv").unlink()
    Path("out.json").unlink()
    assert ensemble(*alone, files=["a_new.csv"]) == 2, "the figure is there"


def sharpened(frame, by):
    columns = [f"p_{label}" for label in LABELS]
    raised = frame[columns] ** by
    return frame.assign(**raised.div(raised.sum(axis=1), axis=0))


def test_it_is_not_fitted_to_what_it_answers(files, capsys):
    assert ensemble("--rule", "prior", *FITTED, files=("a_known.csv", "b_known.csv")) == 2
    assert "200 rows are among those to answer and those it is fitted to" in capsys.readouterr().err
    Path("out.json").touch()
    assert ensemble() == 2
    assert "out.json" in capsys.readouterr().err
