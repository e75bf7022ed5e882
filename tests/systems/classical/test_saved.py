"""The file of an estimator: damaged, foreign, or of another recipe; and recipes whose words are wrong."""

import json

import pytest

from emospeech.config.sections.classical import READ
from emospeech.runtime.errors import UserError
from emospeech.systems import build
from emospeech.systems.classical.features import FEATURES, FITTED


@pytest.fixture
def model(rows, fitted, tmp_path):
    fitted(rows, ["functionals", "tfidf"], "svm_rbf").save(tmp_path / "model")
    return tmp_path / "model"


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_a_file_that_is_not_there(model):
    (model / "estimator.skops").unlink()
    with pytest.raises(UserError, match=r"no estimator\.skops in it\. Has its training finished?"):
        build.load(model)


def test_a_damaged_file(model):
    path = model / "estimator.skops"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"estimator\.skops is damaged: "):
        build.load(model)


def test_a_foreign_file_is_not_run(model, capsys):
    import io
    import pickle

    from skops.io import dump

    dump({"votes": io.StringIO}, model / "estimator.skops")
    with pytest.raises(UserError, match="holds what no model of ours does, and is not read"):
        build.load(model)
    (model / "estimator.skops").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="is damaged"):
        build.load(model)
    assert "run" not in capsys.readouterr().out


def test_a_file_of_another_recipe(model, rows, fitted, tmp_path):
    fitted(rows, "tfidf").save(tmp_path / "other")
    (model / "estimator.skops").write_bytes((tmp_path / "other" / "estimator.skops").read_bytes())
    with pytest.raises(UserError, match="is not of the recipe beside it"):
        build.load(model)


def test_a_tree_that_leads_nowhere(rows, fitted):
    from types import SimpleNamespace

    import numpy as np

    from emospeech.systems.classical.saved import _require_sound

    sound = fitted(rows, model={"name": "random_forest", "trees": 2}).votes["label"].members[0].fitted.estimator
    _require_sound(sound)
    tree = sound.estimators_[0].tree_
    parts = {name: getattr(tree, name) for name in ("children_left", "children_right", "feature")}
    parts = {name: np.array(values) for name, values in parts.items()}
    for name, says in (("children_right", "lead nowhere"), ("children_left", "lead nowhere"), ("feature", "features")):
        bad = {key: values.copy() for key, values in parts.items()}
        bad[name][0] = 10_000
        broken = SimpleNamespace(tree_=SimpleNamespace(**bad, node_count=tree.node_count, n_features=tree.n_features))
        with pytest.raises(ValueError, match=says):
            _require_sound(SimpleNamespace(estimators_=[broken]))


def test_what_the_config_tells(model):
    stored = json.loads((model / "config.json").read_text())
    assert stored["format"] == 2
    assert stored["tasks"] == {"label": ["anger", "joy", "sadness"]}
    assert stored["recipe"]["system"] == "classical"
    assert stored["encoders"] == {}
    assert "normalise" not in stored


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": "functional"}, "classical.features.0: unknown classical features 'functional'; known: functio"),
        ({"features": []}, "classical.features: "),
        ({"features": {"name": "tfidf", "word": 3}}, "tfidf: unknown option word; known: words, characters"),
        ({"features": {"name": "tfidf", "words": [3, 1]}}, "words should be the shortest and the longest n-gram"),
        ({"features": {"name": "tfidf", "words": None, "characters": None}}, "words and characters are both null"),
        ({"features": {"name": "tfidf", "min_rows": 0}}, "min_rows: input should be greater than or equal to 1, got 0"),
        ({"model": "svm"}, "classical.model: unknown classical model 'svm'; known: logistic_regression, svm_linear"),
        ({"model": {"name": "svm_rbf", "c": -1}}, "svm_rbf: c: input should be greater than 0, got -1"),
        ({"model": {"name": "random_forest", "trees": "many"}}, "trees: input should be a valid integer, got 'many'"),
        ({"model": {"name": "lda", "shrinkage": 2}}, "lda: shrinkage: "),
        ({"model": {"name": "mlp", "widths": [0]}}, "mlp: widths: input should be greater than or equal to 1, got 0"),
        ({"model": {"name": "net_plain", "dropout": 0.1}}, "net_plain: unknown option dropout"),
        ({"transforms": ["whiten"]}, "classical.transforms.0: unknown classical transform 'whiten'; known: clip, anov"),
        ({"vote": [{"model": "svm"}]}, "classical.vote.0.model: unknown classical model 'svm'"),
        ({"vote": [{"features": ["text"]}]}, "vote.0.features: no text in the section's features: 0 functionals"),
        ({"vote": [{"features": [3]}]}, "vote.0.features: no 3 in the section's features"),
        ({"normalise": "clip"}, "classical.normalise: should be 'corpus' or 'speaker'"),
        ({"normalize": "corpus"}, "classical.normalize: unknown key; did you mean normalise?"),
        ({"features": "text"}, "classical.features: text is there, but the section text is null"),
    ],
)
def test_words_that_are_wrong(changes, says, make_recipe):
    with pytest.raises(UserError) as error:
        make_recipe(**changes)
    assert says in str(error.value)


@pytest.mark.parametrize("name", FEATURES)
def test_what_is_read_and_what_is_heard_is_as_the_features_say(name, make_recipe, tiny_xlsr, tiny_xlmr):
    """The schema knows it by name, for it must ask rows for sound and words before anything is built."""
    from emospeech import config
    from emospeech.systems.vectors import build as built

    plain = make_recipe().model_dump()
    recipe = config.validate(
        {**plain, "speech": {"encoder": str(tiny_xlsr)}, "text": {"encoder": str(tiny_xlmr)}}, "test", build.CHECKS
    )
    if name in ("egemaps", "compare"):
        pytest.importorskip("opensmile", reason="the extra [opensmile] is not installed")
    part = FEATURES[name]() if name in FITTED else built(name, {}, recipe)
    assert part.needs == ("transcription" if name in READ else "audio")
