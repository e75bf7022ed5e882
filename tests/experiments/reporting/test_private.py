"""What an anonymous report says of places: ids of the Hub stay, folders go, wherever one stands."""

import json

import pandas as pd
import pytest

from emospeech import config
from emospeech.experiments.reporting import facts, private
from emospeech.outputs.report.content import Report
from emospeech.systems import build


@pytest.fixture
def report(tmp_path):
    """Of a run whose speech encoder is from the Hub and whose text encoder from a folder that is not here."""
    (tmp_path / "of ana" / "clips").mkdir(parents=True)
    data = {"corpus": "audiofolder", "root": str(tmp_path / "of ana" / "clips"), "split": {"dev_speakers": ["ana"]}}
    encoders = {"speech": {"encoder": "facebook/xlsr"}, "text": {"encoder": "checkpoints/roberta-ana"}}
    recipe = config.validate({"name": "r", "data": data, **encoders}, "test", build.CHECKS)
    told = Report("r", (), (), facts.facts(recipe), pd.DataFrame(), (), [], (), None, (), "", ())
    return told, recipe


def test_folders_that_look_like_ids_of_the_hub_go(report, tmp_path):
    speech = {"name": "facebook/xlsr", "revision": "0" * 40, "sha256": None}
    text = {"name": "checkpoints/roberta-ana", "revision": None, "sha256": "f" * 64}
    (tmp_path / "config.json").write_text(json.dumps({"encoders": {"speech": speech, "text": text}}))
    found = private.anonymous(*report, private.from_hub(tmp_path))
    whole = str(found.facts) + found.recipe
    assert "facebook/xlsr" in found.recipe
    assert dict(found.facts)["speech"].startswith("facebook/xlsr")
    assert "ana" not in whole.replace("analys", "")
    assert str(tmp_path) not in whole


def test_without_a_record_no_name_with_a_slash_stays(report, tmp_path):
    assert private.from_hub(tmp_path) == frozenset()
    assert "facebook/xlsr" not in private.anonymous(*report).recipe


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("no folder /home/ana/corpora/mesd", "no folder mesd"),
        ("root: /home/ana/corpora/mesd/", "root: mesd/"),
        ("'/home/ana/a.wav': no such file", "'a.wav': no such file"),
        ("--root=/home/ana/x ~ana/y ~/z", "--root=x y z"),
        ("file:///home/ana/x", "x"),
        (r"C:\Users\ana\x.wav", "x.wav"),
        ("https://example.org/a/b stays, 1/2 and kbit/s too", "https://example.org/a/b stays, 1/2 and kbit/s too"),
        ("facebook/xlsr and ../mesd", "facebook/xlsr and ../mesd"),
    ],
)
def test_folders_are_shortened_to_names(text, short):
    assert private.without_folders(text) == short
