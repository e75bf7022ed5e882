"""A model card is what the Hub parses, and its numbers are the run's."""

import dataclasses
import json
import shutil

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from emospeech.corpora import CORPORA
from emospeech.experiments import exporting
from emospeech.experiments.scoring.calibrated import BEFORE, Fitted, fitted
from emospeech.metrics.statistics import FEWEST
from emospeech.outputs.hub import card, limits
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build

METRICS = {"macro-F1": "macro_f1", "UAR": "uar", "accuracy": "accuracy", "weighted F1": "weighted_f1"}


@pytest.fixture(scope="session")
def facts(trained, exported, tmp_path_factory):
    def make(kind, **changes):
        run = RunFolder(trained(kind))
        system = build.load(run.path)
        config = json.loads((exported(kind) / "config.json").read_text(encoding="utf-8"))
        written = exporting.folder.Written(config, (), False)
        found = exporting.gathered(run, system, written, Fitted(1.25), exporting.Wishes(licence="mit"))
        return dataclasses.replace(found, **changes)

    return make


@pytest.mark.parametrize(("kind", "tag"), [("frozen", "audio-classification"), ("words", "text-classification")])
def test_the_hub_reads_it(exported, trained, kind, tag):
    data = ModelCard.load(exported(kind) / "README.md").data
    assert (data.library_name, data.license, data.pipeline_tag) == ("emospeech", "mit", tag)
    scores = json.loads((trained(kind) / "scores.json").read_text(encoding="utf-8"))["dev"]
    told = {one.metric_name: one for one in data.eval_results}
    assert set(told) == set(METRICS)
    for name, key in METRICS.items():
        assert told[name].metric_value == pytest.approx(scores[key], abs=1e-6)
        assert told[name].dataset_split == "validation"


def test_every_number_of_its_tables_is_in_the_scores(exported, trained):
    text = (exported("several_tasks") / "README.md").read_text(encoding="utf-8")
    scores = json.loads((trained("several_tasks") / "scores.json").read_text(encoding="utf-8"))["dev"]
    between = scores["macro_f1_interval"]
    row = next(line for line in text.splitlines() if line.startswith("| dev |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "dev",
        str(scores["count"]),
        f"{scores['macro_f1']:.4f}",
        f"{between['low']:.4f}-{between['high']:.4f}",
        *(f"{scores[key]:.4f}" for key in ("uar", "accuracy", "weighted_f1")),
    ]
    for number, label in enumerate(scores["labels"]):
        row = next(line for line in text.splitlines() if line.startswith(f"| {card.escaped(label)} |"))
        assert f"| {scores['support'][number]} | {scores['precision'][number]:.4f} |" in row
        assert row.endswith(f"{scores['recall'][number]:.4f} | {scores['f1'][number]:.4f} |")
    assert f"gender: macro-F1 {scores['tasks']['gender']['macro_f1']:.4f}" in text


def test_no_line_runs_into_a_table(exported):
    """Markdown would take it for a row."""
    lines = (exported("several_tasks") / "README.md").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|") and not lines[number - 1].startswith("|"):
            assert lines[number - 1] == ""
        if line.startswith("|") and not lines[number + 1].startswith("|"):
            assert lines[number + 1] == ""


def test_labels_are_shown_as_they_are(exported):
    """By an independent reading: the Markdown of a table, its escapes undone, gives the label back."""
    import re

    text = (exported("words") / "README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| joy"))
    cells = re.split(r"(?<!\\)\|", row)[1:-1]
    assert len(cells) == 5
    assert re.sub(r"\\(.)", r"\1", cells[0].strip()) == "joy|*[x](y)"
    assert "[x](y)" not in text.split("## Recipe")[0].split("---\n")[-1]


@pytest.mark.parametrize("nasty", ["a`b", "```", "<script>x</script>", "# head", "a\nb", "---", "1. one", "[a](b)"])
def test_a_label_cannot_break_the_page(facts, nasty):
    made = facts("words", tasks={"label": (nasty, "anger")}, name=nasty)
    loaded = ModelCard(card.render(made))
    assert loaded.data.library_name == "emospeech"
    body = loaded.text
    assert body.count("\n## ") == 11  # its sections, and no heading of a label's
    assert "<script>" not in body


def test_without_scores_it_says_so(facts):
    text = card.render(facts("words", scores={}, clips={}, origins={}, environment={}, temperature=None, licence=None))
    data = ModelCard(text).data
    assert data.eval_results is None
    assert data.license is None
    for sentence in ("This run has no scores.", "It was not measured.", "Used here: not told.", "Not told."):
        assert sentence in text
    assert "macro-F1 0" not in text


def test_speakers_that_are_new_and_how_many_have_trained(facts):
    text = card.render(facts("words"))
    assert "Of the clips of dev, 8 are of new speakers: macro\\-F1" in text or "8 are of new speakers: macro-F1" in text
    assert "Different ones among the training clips: 2 speakers." in text
    assert "named speakers: 1 steer, 0 test" in text


@pytest.mark.parametrize(("kind", "sentence"), list(limits.HOW_IT_CAME.items()))
def test_acted_or_natural_speech_is_told(facts, kind, sentence):
    corpus = next(one for one in CORPORA.values() if one.speech == kind)
    text = card.render(facts("words", corpora={"a": corpus}))
    assert sentence in text
    assert limits.UNTOLD not in text


def test_every_corpus_but_the_users_own_tells_how_its_speech_came_about():
    assert [name for name, corpus in CORPORA.items() if corpus.speech is None] == ["audiofolder"]


@pytest.mark.parametrize(("kind", "heard"), [("frozen", True), ("words", False)])
def test_the_law(exported, kind, heard):
    text = (exported(kind) / "README.md").read_text(encoding="utf-8")
    for article in ("Art. 3(39)", "Art. 5(1)(f)", "Annex III, point 1(c)", "Art. 50(3)", "2024/1689"):
        assert article in text
    assert "not legal advice" in text
    assert ("outside that definition" in text) is not heard


def test_public_corpora_and_encoders_of_the_hub_are_linked(facts):
    made = facts("frozen", corpora={name: CORPORA[name] for name in ("emodb", "emospeech2024")})
    config = dict(made.written.config)
    config["encoders"] = {
        "speech": {"name": "owner/xlsr", "revision": "abc", "sha256": None},
        "text": {"name": "./encoders/text", "copy_of": {"name": "owner/bert", "revision": None}, "revision": None},
    }
    data = card.data(dataclasses.replace(made, written=dataclasses.replace(made.written, config=config)))
    assert data.base_model == ["owner/bert", "owner/xlsr"]
    assert data.datasets == ["emodb"]


def test_the_winners_paper_is_cited_for_its_recipe_alone(exported, facts):
    assert "2407.12467" in (exported("frozen") / "README.md").read_text(encoding="utf-8")
    for kind in ("words", "tuned", "scratch"):
        assert "2407.12467" not in card.render(facts(kind))


def test_the_split_is_counted(trained, facts):
    split = pd.read_csv(trained("words") / "split.csv")["split"].value_counts()
    assert facts("words").clips == {"train": split["train"], "dev": split["dev"]}


def test_a_refit_is_told_as_what_it_is(facts, trained, tmp_path):
    """Dev has trained the model that is here, and its temperature fits the one before."""
    run = shutil.copytree(trained("words"), tmp_path / "refitted")
    for path, of in ((run / "config.yaml", yaml), (run / "model" / "config.json", json)):
        with path.open(encoding="utf-8") as file:
            told = of.safe_load(file) if of is yaml else of.load(file)
        (told if of is yaml else told["recipe"])["data"]["refit"] = "train+dev"
        path.write_text(yaml.safe_dump(told) if of is yaml else json.dumps(told), encoding="utf-8")
    system, source = build.load(run), RunFolder(run)
    found = fitted(source, system.tasks["label"])
    assert found.to == BEFORE
    assert found.temperature == fitted(RunFolder(trained("words")), system.tasks["label"]).temperature
    text = card.render(exporting.gathered(source, system, facts("words").written, found, exporting.Wishes()))
    assert "chose the weights" not in text
    assert "trained afresh on train and dev together" in text
    assert f"fits {BEFORE}" in text
    clips = facts("words").clips
    assert f"; {clips['train'] + clips['dev']} clips, those of train and dev, trained the model that is here." in text
    assert "training clips: 3 speakers" in text
    assert "training clips: 2 speakers" in card.render(facts("words"))


@pytest.mark.parametrize(("clusters", "told"), [(2, False), (FEWEST - 1, False), (FEWEST, True)])
def test_an_interval_over_few_speakers_is_none(facts, clusters, told):
    made = facts("words")
    by = {"by": "speaker", "clusters": clusters, "low": 0.6789, "high": 0.7891, "level": 0.95}
    text = card.render(facts("words", scores={"dev": {**made.scores["dev"], "macro_f1_interval_by": by}}))
    assert (f"- dev, drawn by speaker ({clusters}): 0.6789-0.7891" in text) is told
    assert (f"- dev: its clips are of {clusters} speakers: too few for an interval over them" in text) is not told
    assert ("0.6789" in text) is told


def test_the_index_tells_how_scores_are_averaged_and_that_the_corpus_is_not_on_the_hub(exported):
    told = {one.metric_name: one for one in ModelCard.load(exported("words") / "README.md").data.eval_results}
    args = {name: one.metric_args for name, one in told.items()}
    macro, weighted = {"average": "macro"}, {"average": "weighted"}
    assert args == {"macro-F1": macro, "UAR": macro, "accuracy": None, "weighted F1": weighted}
    assert {one.dataset_type for one in told.values()} == {"custom"}
