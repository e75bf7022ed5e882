"""`emospeech export` with input that is wrong: exit code 2, one message, and nothing written."""

import json
import os

import pytest

from emospeech.cli.main import main

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, challenge):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "words.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
    assert main(["train", str(folder / "words.yaml"), f"runs_dir={folder}"]) == 0
    return folder / "words"


@pytest.fixture
def copy(run, tmp_path):
    import shutil

    return shutil.copytree(run, tmp_path / "copy")


def refused(capsys, *arguments):
    capsys.readouterr()
    assert main(["export", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_what_is_no_run(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert "no run folder" in refused(capsys, tmp_path / "absent", out)
    assert "is no run folder: it has no config.yaml" in refused(capsys, tmp_path, out)
    assert f"it holds several: {run}" in refused(capsys, run.parent, out)
    assert main(["export", str(run), str(out)]) == 0
    assert "is an exported model already" in refused(capsys, out, tmp_path / "again")


def test_a_run_that_is_not_finished_or_damaged(copy, tmp_path, capsys):
    scores = (copy / "scores.json").read_bytes()
    (copy / "scores.json").unlink()
    assert "is not finished: finish it with emospeech train … --resume" in refused(capsys, copy, tmp_path / "out")
    (copy / "scores.json").write_bytes(scores)
    (copy / "model" / "estimator.skops").write_bytes(b"PK")
    assert "is damaged" in refused(capsys, copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_where_it_may_not_go(run, tmp_path, capsys):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert "is a file; name a folder" in refused(capsys, run, tmp_path / "file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert "exists already; name another folder" in refused(capsys, run, tmp_path / "mine")
    assert "is no exported model, so it is not replaced" in refused(capsys, run, tmp_path / "mine", "--overwrite")
    assert (tmp_path / "mine" / "thesis.tex").read_text(encoding="utf-8") == "years of work"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(run, tmp_path, capsys):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "no right to write" in refused(capsys, run, tmp_path / "closed" / "out")


def test_an_export_is_replaced_when_asked(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["export", str(run), str(out)]) == 0
    assert "exists already" in refused(capsys, run, out, "--licence", "mit")
    (out / "left_over.bin").write_bytes(b"x")
    assert main(["export", str(run), str(out), "--overwrite", "--licence", "cc-by-4.0", "--language", "ca"]) == 0
    assert not (out / "left_over.bin").exists()
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-4.0" in card
    assert "language:\n- ca\n" in card
    (tmp_path / "empty").mkdir()
    assert main(["export", str(run), str(tmp_path / "empty")]) == 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--licence", "Apache License", "give the Hub's word for it, as apache-2.0"),
        ("--language", "Spanish", "give the language's ISO 639-1 code, as es"),
        ("--language", "es\nlicense: x", "give the language's ISO 639-1 code, as es"),
    ],
)
def test_words_that_are_none_of_the_hubs(run, tmp_path, capsys, option, value, message):
    assert message in refused(capsys, run, tmp_path / "out", option, value)


def test_two_exports_of_a_run_are_the_same(run, tmp_path):
    for name in ("one", "two"):
        assert main(["export", str(run), str(tmp_path / name)]) == 0
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("one", "two")
    )
    assert one == two
    assert "environment" not in json.loads(one["config.json"])
