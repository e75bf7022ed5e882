"""The page of a report: nothing told becomes markup, nothing points outside, its size has a bound."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from emospeech.data.audit.report import Finding
from emospeech.data.audit.report import Report as Audit
from emospeech.experiments.reporting import sound
from emospeech.experiments.reporting.breakdown import breakdowns, by_class
from emospeech.experiments.scoring.calibrated import Calibration
from emospeech.metrics.calibration import reliability
from emospeech.metrics.scores import score
from emospeech.outputs.report import content, pictures
from emospeech.outputs.report.page import MOST_ROWS, page, rows

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"
LABELS = ("joy", EVIL, "$\\alpha$ {{ 7*7 }}")


def shown(id, truth, prediction, audio=None):
    return content.Clip(
        id=id,
        part="dev",
        truth=truth,
        prediction=prediction,
        chances=((EVIL, 0.6), ("joy", 0.4)),
        about=(("speaker", EVIL),),
        transcript=(content.Word(EVIL, 0.7), content.Word("hola", 0.1)),
        audio=audio,
        without="" if audio else f"{EVIL}: no such file",
        seconds=1.5,
        envelope=np.array([[-0.5, 0.5], [-0.1, 0.2]]),
        attention=np.array([0.05, 0.15]),
        shares=(("speech", 0.2), ("words", 0.8)),
    )


def made(count=40, clips=None, **changes):
    """A report on so many clips, every word of which is hostile."""
    rng = np.random.default_rng(0)
    truth, prediction = (rng.choice(np.array(LABELS, dtype=object), count) for _ in range(2))
    frame = pd.DataFrame({"id": [f"{EVIL}{k}" for k in range(count)], "truth": truth, "prediction": prediction})
    frame = frame.assign(p=rng.random(count), p_truth=rng.random(count))
    scores = score(list(truth), list(prediction), LABELS).as_dict()
    scores["macro_f1_interval"] = {"low": 0.1, "high": 0.4}
    chances = rng.dirichlet(np.ones(3), count)
    part = content.Part(
        name="dev",
        scores=scores,
        classes=by_class(scores),
        chance=0.3,
        clips=frame,
        breakdowns=breakdowns(frame.assign(speaker=rng.choice([EVIL, "s2"], count)), LABELS),
        calibration=Calibration(reliability(chances, rng.integers(0, 3, count))),
        calibrated_how="",
    )
    finding = Finding("error", "same id", "dev", 1, EVIL)
    whole = {
        "name": EVIL,
        "summary": (EVIL,),
        "missing": (EVIL,),
        "facts": ((EVIL, EVIL),),
        "data": pd.DataFrame([{"part": "dev", "clips": count, EVIL: 3}]),
        "parts": (part,),
        "history": [{"step": k, "train_loss": 1.0 / k, "dev_macro_f1": 0.1 * k} for k in (1, 2)],
        "layers": (("layer 1", 0.6), ("layer 2", 0.4)),
        "audit": Audit({"dev": count}, (finding,), (EVIL,), {"same speaker": EVIL}),
        "shown": (content.Shown("Worst", EVIL, tuple(clips or [shown(EVIL, "joy", EVIL)])),),
        "recipe": f"name: {EVIL}",
        "environment": (("command", EVIL),),
        "notes": (EVIL,),
    }
    return content.Report(**whole | changes)


def written(report):
    return page(report, pictures.pictures(report))


class Tags(HTMLParser):
    """Opening tags with their attributes, and whether each is closed."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text():
    return written(made())


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ({"clusters": 8, "lowest": 0.1, "highest": 0.9}, "; 0.200–0.300 over 8 speakers."),
        ({"clusters": 3, "lowest": 0.1, "highest": 0.9},
         "; its 3 speakers, by themselves 0.100–0.900, are too few for an interval over speakers."),
        ({"clusters": 2}, None),
    ],
)  # fmt: skip
def test_few_speakers_have_no_interval(by, told):
    report = made()
    (part,) = report.parts
    part.scores["macro_f1_interval_by"] = {"by": "speaker", "low": 0.2, "high": 0.3, **by}
    own = [group.macro_f1 for group in part.breakdowns[0].groups]  # what scores of earlier versions do not hold
    told = told or f"its 2 speakers, by themselves {min(own):.3f}–{max(own):.3f}, are too few"
    assert told in written(report)


def test_a_waveform_has_seconds_and_a_legend(text):
    axis = re.search(r'<p class="axis"[^>]*>(.*?)</p>', text)[1]
    assert re.findall(r"[\d.]+", axis) == ["0.00", "0.38", "0.75", "1.12", "1.50"]
    assert "scaled to this clip’s own peak (0.50 of full scale). Below: attention over time" in text


def test_nothing_told_becomes_markup(text):
    tags = Tags(text)
    assert tags.open == [], "every tag is closed, in order"
    assert sum(tag == "script" for tag, _ in tags.found) == 1, "our own alone"
    assert not [tag for tag, _ in tags.found if tag in ("img", "link", "iframe", "base", "object")]
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert EVIL not in text
    assert "49" not in re.findall(r"\\alpha\$ (\S+)", text), "nor a template"


def test_nothing_points_outside(text):
    links = [
        value
        for _, attributes in Tags(text).found
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset")
    ]
    assert links
    assert all(value.startswith(("#", "data:audio/", "data:image/png")) for value in links)
    assert not re.search(r"url\((?!#)", text)
    assert "@import" not in text


def test_its_policy_lets_no_other_script_run(text):
    policy = next(of["content"] for tag, of in Tags(text).found if of.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[\w+/=]+'", policy)


def test_every_id_is_there_once_and_every_reference_leads_somewhere(text):
    tags = Tags(text).found
    ids = Counter(attributes["id"] for _, attributes in tags if "id" in attributes)
    assert max(ids.values()) == 1
    names = ("href", "xlink:href")
    wanted = {of[name][1:] for _, of in tags for name in names if of.get(name, "").startswith("#")}
    wanted |= {id for _, of in tags for id in of.get("aria-labelledby", "").split()}
    assert wanted <= set(ids)


def test_who_cannot_see_is_told(text):
    tags = Tags(text).found
    assert next(attributes for tag, attributes in tags if tag == "html")["lang"] == "en"
    drawings = [attributes for tag, attributes in tags if tag == "svg"]
    assert drawings
    assert all(of.get("role") == "img" and (of.get("aria-label") or of.get("aria-labelledby")) for of in drawings)
    headings = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert "Waveform of 1.5 s; below it attention over time, the most at 1.1 s" in text


def test_text_in_figures_is_text(text, tmp_path):
    assert re.search(r"<text[^>]*>[^<]*joy", text)
    paths = pictures.save(pictures.pictures(made()), tmp_path)
    assert {path.suffix for path in paths} == {".png", ".svg"}
    assert "<text" in (tmp_path / "dev_confusion.svg").read_text()
    assert "<script>" not in (tmp_path / "dev_confusion.svg").read_text()


@pytest.mark.slow
def test_750_clips_stay_below_ten_megabytes(make_tone):
    long = {f"c{k}": make_tone("joy", k, seconds=20.0).astype(np.float32) for k in range(60)}
    players = sound.embedded(long)
    clips = [shown(name, "joy", EVIL, players.get(name)) for name in long]
    size = len(written(made(750, clips)).encode())
    assert 2_000_000 < size < 10_000_000


def test_of_too_many_clips_right_ones_are_left_out_first():
    report = made(MOST_ROWS + 500)
    found, left_out = rows(report.parts)
    assert (len(found), left_out) == (MOST_ROWS, 500)
    truth, prediction = report.parts[0].clips["truth"], report.parts[0].clips["prediction"]
    assert sum(not row["right"] for row in found) == (truth != prediction).sum()


def test_what_is_not_there_is_not_shown():
    bare = made(shown=(), audit=None, history=[], layers=(), recipe="", environment=(), facts=(), data=pd.DataFrame())
    assert '<section id="clips"' not in written(bare)
    assert Tags(written(bare)).open == []


def test_the_same_report_is_the_same_page():
    assert written(made()) == written(made())
