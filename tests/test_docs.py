"""The documentation does what it says: its code runs, and generated pages are what their commands give."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

from emospeech import config
from emospeech.models.build import build_classifier
from emospeech.models.pooling import POOLINGS
from emospeech.runtime.errors import UserError
from emospeech.systems.build import CHECKS

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_choices_is_what_make_docs_writes():
    spec = importlib.util.spec_from_file_location("choices", DOCS / "choices.py")
    choices = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(choices)
    assert (DOCS / "choices.md").read_text(encoding="utf-8") == choices.page(), "run `make docs`"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_no_page_waits_for_what_is_to_be_filled_in(page):
    """A word of capitals by itself on a line stands for figures that are still to come."""
    assert re.findall(r"^\W*[A-Z]{6,}\W*$", page.read_text(encoding="utf-8"), re.MULTILINE) == []


@pytest.fixture
def added(monkeypatch):
    """The page's code, run as it stands; its entry goes again afterwards."""
    page = (DOCS / "adding_a_pooling.md").read_text(encoding="utf-8")
    for name, entry in list(POOLINGS.items()):
        monkeypatch.setitem(POOLINGS, name, entry)
    monkeypatch.setitem(POOLINGS, "generalised_mean", None)
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), {"POOLINGS": POOLINGS})
    return POOLINGS["generalised_mean"]


def recipe(pooling):
    plain = {
        "name": "gem",
        "data": {"corpus": "demo", "root": "unused"},
        "speech": {"encoder": "log_mel_cnn"},
        "model": {"pooling": pooling},
    }
    return config.validate(plain, "recipe", CHECKS)


def test_the_pooling_of_the_page_works(added):
    x, mask = torch.rand(2, 4, 8), torch.tensor([[True] * 4, [True, True, False, False]])
    plain, spoiled = added(8)(x, mask), added(8)(x.masked_fill(~mask[..., None], 1e4), mask)
    torch.testing.assert_close(plain, spoiled)
    torch.testing.assert_close(added(8, power=1.0)(x, mask)[1], x[1, :2].mean(dim=0))
    assert (added(8, power=50.0)(x, mask)[0] - x[0].amax(dim=0)).abs().max() < 0.05
    model = recipe({"name": "generalised_mean", "power": 2.0}).model
    assert build_classifier(model, {"label": ["a", "b"]}, (1, 8), None).fusion.pool.pooling.power == 2.0


def test_the_message_of_the_page(added):
    with pytest.raises(UserError, match=r"model\.pooling: generalised_mean: unknown option p; known: power"):
        recipe({"name": "generalised_mean", "p": 3})
