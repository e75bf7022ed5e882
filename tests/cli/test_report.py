"""`emospeech report` as a user types it, and its page in a browser."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from emospeech.cli.main import main
from emospeech.systems import portable
from tests.browser import chromium, complaints, requested

EVIL = "<b onmouseover=alert(1)>"
RECIPE = """
data: {corpus: audiofolder, root: corpus, split: {dev_speakers: [s2], test_speakers: [s3]}}
SYSTEM
train: {epochs: 2, batch_size: 8, optimizer: {lr: 0.01}}
"""
NEURAL = """
speech: {encoder: log_mel_cnn, options: {width: 16, bands: 16, channels: [4, 8]}, layers: last}
text: {encoder: subword_transformer, options: {width: 16, vocabulary: 120, depth: 1, heads: 2}}
model: {head: {blocks: 1, width: 16}}
"""
CLASSICAL = "system: classical\nclassical: {features: [tfidf], model: logistic_regression}"


def write_corpus(folder, make_tone, sentences, labels):
    """48 tones by four speakers; one transcript, one name and one label are hostile."""
    folder.mkdir()
    rows = []
    for k in range(48):
        label = labels[k % 6]
        name = f"{EVIL}{k}.wav" if k == 30 else f"clip{k:02d}.wav"
        soundfile.write(folder / name, make_tone(label, k), 16_000)
        words = sentences[k % 6] + ("</script><script>alert(1)</script>" if k % 8 == 0 else "")
        told = EVIL if label == "fear" else label
        rows.append({"file_name": name, "label": told, "transcription": words, "speaker": f"s{k // 12}"})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, spanish_sentences):
    """A folder with a corpus and two runs on it, `net` and `plain`."""
    from tests.conftest import LABELS, tone

    folder = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_corpus(folder / "corpus", tone, spanish_sentences, LABELS)
        for name, system in (("net", NEURAL), ("plain", CLASSICAL)):
            Path(f"{name}.yaml").write_text(RECIPE.replace("SYSTEM", system), encoding="utf-8")
            assert main(["train", f"{name}.yaml"]) == 0
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A copy of it, to be changed."""
    shutil.copytree(trained, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def failed(capsys, *arguments):
    """What a wrong call says."""
    capsys.readouterr()
    assert main(["report", *arguments]) == 2
    return capsys.readouterr().err


def test_the_report_of_a_network(here, capsys):
    assert main(["report", "runs/net", "--clips", "9"]) == 0
    told = capsys.readouterr().out
    assert re.match(
        r"report: runs/net/report.html \(\d\.\d MB\)\nfigures: \d+ files in runs/net/figures/report\n", told
    )
    text = Path("runs/net/report.html").read_text(encoding="utf-8")
    assert "trained on 24 clips of audiofolder (2 speakers)" in text
    for words in ("all of them of new speakers", "Worst errors", "; most on", "Audit of the data", "Training</h2>"):
        assert words in text
    assert text.count("<audio ") == 9
    assert text.count('class="weights"') == 9
    assert "<script>alert" not in text
    assert EVIL not in text
    assert "Not here" not in text
    scores = json.loads(Path("runs/net/scores.json").read_text())
    assert f"{scores['dev']['macro_f1']:.3f}" in text
    made = {path.name for path in Path("runs/net/figures/report").iterdir()}
    names = ("dev_confusion", "test_classes", "learning_curves", "dev_reliability")
    assert made >= {f"{name}{kind}" for name in names for kind in (".png", ".svg")}


def test_an_earlier_report_is_not_overwritten_unasked(here, capsys):
    Path("runs/plain/report.html").write_text("mine")
    Path("figures").mkdir()
    Path("figures/mine.txt").touch()
    assert "--overwrite" in failed(capsys, "runs/plain")
    assert Path("runs/plain/report.html").read_text() == "mine"
    assert "not empty" in failed(capsys, "runs/plain", "-o", "other.html", "--figures", "figures")
    assert not Path("other.html").exists()
    assert main(["report", "runs/plain", "--clips", "0", "--figures", "figures", "--overwrite"]) == 0
    assert "All clips" in Path("runs/plain/report.html").read_text(encoding="utf-8")
    assert Path("figures/mine.txt").exists()
    assert Path("figures/dev_confusion.svg").exists()


def test_another_page_leaves_the_first_ones_figures_alone(here, capsys):
    assert main(["report", "runs/plain", "--clips", "0"]) == 0
    own = Path("runs/plain/figures/report/dev_confusion.svg")
    own.write_text("kept")
    assert main(["report", "runs/plain", "--clips", "0", "-o", "other.html"]) == 0
    assert own.read_text() == "kept"
    assert Path("other_figures/dev_confusion.svg").exists()
    Path("other.html").unlink()
    assert "other_figures is not empty" in failed(capsys, "runs/plain", "-o", "other.html")
    for name in ("gone_by_speaker.svg", "gone_by_speaker.png", "mine.svg"):
        Path("other_figures", name).touch()
    assert main(["report", "runs/plain", "--clips", "0", "-o", "other.html", "--overwrite"]) == 0
    assert {path.name for path in Path("other_figures").glob("*gone*")} == set(), "an earlier report's"
    assert Path("other_figures/mine.svg").exists(), "no figure of a report has a PNG or an SVG alone"


def test_what_it_holds_is_told_and_folders_are_not(here):
    recipe = Path("runs/plain/config.yaml")
    recipe.write_text(recipe.read_text().replace("root: corpus", f"root: {here / 'corpus'}"))
    environment = json.loads(Path("runs/plain/environment.json").read_text())
    environment[-1]["command"] = [str(here / "bin/emospeech"), "train", f"data.root={here / 'corpus'}"]
    Path("runs/plain/environment.json").write_text(json.dumps(environment))
    assert main(["report", "runs/plain", "--clips", "6", "--without-sound"]) == 0
    text = Path("runs/plain/report.html").read_text(encoding="utf-8")
    assert "This page holds the transcripts of 6 clips, the ids of 24 clips, names or codes of speakers." in text
    assert "Licence of audiofolder:" in text
    assert "No sound: left out (--without-sound)." in text
    assert text.count('class="sound"') == 6, "waveforms stay"
    assert "<audio " not in text
    assert str(here) not in text
    assert "emospeech train data.root=corpus" in text
    shutil.rmtree("corpus")
    assert main(["report", "runs/plain", "--overwrite"]) == 0
    text = Path("runs/plain/report.html").read_text(encoding="utf-8")
    assert "the corpus is not at hand: no folder corpus" in text
    assert str(here) not in text


def test_an_anonymous_report_has_scores_and_figures_alone(here, spanish_sentences):
    environment = json.loads(Path("runs/net/environment.json").read_text())
    environment[-1]["command"] = ["emospeech", "train", "data.split.dev_speakers=[s2]"]
    Path("runs/net/environment.json").write_text(json.dumps(environment))
    assert main(["report", "runs/net", "--anonymous"]) == 0
    files = [Path("runs/net/report_anonymous.html"), *Path("runs/net/figures/report_anonymous").glob("*.svg")]
    assert len(files) > 5
    text = " ".join(path.read_text(encoding="utf-8") for path in files)
    for secret in (r"clip\d\d", r"\bs[0-3]\b", "<audio ", str(here), r"root: (?!not_exported)", *spanish_sentences):
        assert not re.search(secret, text), secret
    scores = json.loads(Path("runs/net/scores.json").read_text())
    assert f"{scores['test']['macro_f1']:.3f}" in text
    assert "made to hold scores and figures alone" in text
    assert "dev_speakers: []" in text


def test_a_classical_run_has_clips_without_attention(here):
    assert main(["report", "runs/plain", "--clips", "6"]) == 0
    text = Path("runs/plain/report.html").read_text(encoding="utf-8")
    assert "A classical system has no attention" in text
    assert text.count("<audio ") == 6
    assert 'class="weights"' not in text
    assert "learning curves" not in text.lower()


def test_without_its_corpus(here):
    shutil.rmtree("corpus")
    assert main(["report", "runs/net"]) == 0
    text = Path("runs/net/report.html").read_text(encoding="utf-8")
    assert "the corpus is not at hand" in text
    assert "<audio " not in text
    assert 'id="all"' in text
    assert "Confusion matrix of dev" in text


def test_without_what_a_run_may_lack(here):
    for name in ("metrics.jsonl", "origins.csv", "dev_predictions.csv", "environment.json"):
        Path("runs/net", name).unlink()
    shutil.rmtree("runs/net/model")
    Path("corpus/clip40.wav").unlink()
    assert main(["report", "runs/net", "--clips", "60"]) == 0
    text = Path("runs/net/report.html").read_text(encoding="utf-8")
    for words in ("the clips of dev: no dev_predictions.csv", "the model cannot be loaded", "its environment",
                  "clip40.wav: no such file"):  # fmt: skip
        assert words in text


@pytest.mark.slow
def test_on_other_rows(here, capsys):
    rows = pd.read_csv("corpus/metadata.csv").rename(columns={"file_name": "id"})
    rows["speaker"] = "new" + rows["speaker"]
    rows.assign(audio=[f"corpus/{id}" for id in rows["id"]], id="x" + rows["id"]).to_csv("mine.csv", index=False)
    assert main(["report", "runs/net", "--on", "mine.csv", "--clips", "3"]) == 0
    text = Path("runs/net/report_mine.html").read_text(encoding="utf-8")
    assert "This report is about mine: 48 clips, all of them of new speakers" in text
    assert main(["evaluate", "runs/net", "mine.csv", "--json", "scores.json"]) == 0
    assert f'<p class="big">{json.loads(Path("scores.json").read_text())["macro_f1"]:.3f}' in text
    rows.drop(columns="label").assign(audio=[f"corpus/{id}" for id in rows["id"]]).to_csv("blind.csv", index=False)
    assert "cannot be scored" in failed(capsys, "runs/net", "--on", "blind.csv")
    rows.drop(columns="speaker").to_csv("silent.csv", index=False)
    assert "audio" in failed(capsys, "runs/net", "--on", "silent.csv")
    assert main(["report", "runs/net", "--on", "silent.csv", "--audio", "corpus", "--clips", "3"]) == 0
    assert "trained or steered the run" in Path("runs/net/report_silent.html").read_text(encoding="utf-8")


def spoiled(run, **changes):
    """Scores of dev that are not what they should be."""
    scores = json.loads((run / "scores.json").read_text())
    (run / "scores.json").write_text(json.dumps({**scores, "dev": {**scores["dev"], **changes}}))


def exported(run):
    (run / "config.json").write_text(json.dumps({"model_type": portable.MODEL_TYPE}))


@pytest.mark.parametrize(
    ("spoil", "arguments", "said"),
    [
        (None, ["runs/none"], "no run folder runs/none"),
        (None, ["runs"], "name one of the runs in it: net, plain"),
        (lambda run: (run / "scores.json").write_text("{"), ["runs/net"], "scores.json is damaged"),
        (lambda run: (run / "scores.json").write_text('{"dev": {}}'), ["runs/net"], "scores.json is damaged: dev"),
        (lambda run: spoiled(run, labels=3), ["runs/net"], "scores.json is damaged: dev"),
        (lambda run: spoiled(run, confusion=[[1, 2]]), ["runs/net"], "scores.json is damaged: dev"),
        (lambda run: (run / "scores.json").unlink(), ["runs/net"], "has its training finished?"),
        (None, ["runs/net", "--clips", "61"], "0 to 60"),
        (None, ["runs/net", "--clips", "-1"], "0 to 60"),
        (None, ["runs/net", "-o", "corpus"], "corpus is a folder"),
        (None, ["runs/net", "-o", "net.yaml/report.html"], "cannot write"),
        (None, ["runs/net", "--figures", "net.yaml"], "is a file"),
        (None, ["runs/net", "-o", "/proc/x.html"], "cannot write /proc/x.html"),
        (None, ["runs/net", "--figures", "/proc/x"], "cannot write /proc/x"),
        (exported, ["runs/net"], "runs/net is an exported model, which has no scores of clips; report on the run"),
        (None, ["runs/net", "--on", "absent.csv"], "absent.csv"),
    ],
)  # fmt: skip
def test_bad_input(spoil, arguments, said, here, capsys):
    if spoil:
        spoil(here / "runs/net")
    assert said in failed(capsys, *arguments)
    assert not Path("runs/net/report.html").exists()


# ------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def address(trained, tmp_path_factory):
    """Of the network's report, alone in a folder."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained)
        figures = str(path.parent / "figures")
        assert main(["report", "runs/net", "-o", str(path), "--figures", figures, "--clips", "9"]) == 0
    return path.as_uri()


def test_figures_tables_and_sound(address):
    with chromium() as window:
        window.get(address)
        drawn = "return [...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect().height)"
        heights = window.execute_script(drawn)
        assert len(heights) >= 6
        assert min(heights) > 50
        assert window.execute_script("return document.querySelectorAll('table').length") >= 6
        played = window.execute_async_script(
            """const done = arguments[0], audio = document.querySelector("audio");
            audio.muted = true;
            const told = () => audio.currentTime > 0 && done([audio.currentTime, audio.duration]);
            audio.addEventListener("timeupdate", told);
            audio.play().catch(error => done(String(error)));"""
        )  # fmt: skip
        assert isinstance(played, list), played
        assert 0.3 < played[1] < 2
        assert complaints(window) == []
        assert requested(window) == [address]


def test_it_fits_a_phone(address):
    with chromium(width=375, height=800) as window:
        window.get(address)
        window.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
        assert window.execute_script("return document.documentElement.scrollWidth") <= 375
        columns = "return getComputedStyle(document.querySelector('.clips')).gridTemplateColumns.split(' ').length"
        assert window.execute_script(columns) == 1


def test_the_table_sorts_by_mouse_and_by_keyboard(address):
    column = "return [...document.querySelectorAll('#all tbody tr')].map(row => row.cells[6].textContent.trim())"
    with chromium() as window:
        window.get(address)
        unsorted = window.execute_script(column)
        window.execute_script("document.querySelector('#all th:last-child button').click()")
        found = window.execute_script(column)
        assert found == sorted(unsorted, key=float)
        from selenium.webdriver.common.keys import Keys

        window.switch_to.active_element.send_keys(Keys.TAB)
        window.execute_script("document.querySelector('#all th:last-child button').focus()")
        window.switch_to.active_element.send_keys(Keys.ENTER)
        assert window.execute_script(column) == sorted(unsorted, key=float, reverse=True)


def test_in_print_players_are_gone_and_tables_whole(address):
    with chromium() as window:
        window.get(address)
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        assert window.execute_script(style, "audio", "display") == "none"
        assert window.execute_script(style, ".tall", "overflowY") == "visible"
        assert window.execute_script(style, "figure", "breakInside") == "avoid"
