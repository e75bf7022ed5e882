"""Vectors of frozen encoders: layers, statistics, one pass for all of them, and what a recipe may not ask for."""

import numpy as np
import pytest

from emospeech.config import Cache
from emospeech.encoders import checkpoint
from emospeech.encoders.pooled import over_time
from emospeech.encoders.speech import load_speech
from emospeech.encoders.store import upkeep
from emospeech.runtime.errors import UserError
from emospeech.systems import vectors
from emospeech.systems.vectors import deep


@pytest.fixture
def loads(monkeypatch):
    """Names of the speech encoders that were loaded."""
    names = []

    def counted(name, *more):
        names.append(name)
        return load_speech(name, *more)

    monkeypatch.setattr(deep, "load_speech", counted)
    return names


def states_of(folder, rows, layers):
    """float32 (rows, 2, D): each clip alone through the encoder."""
    import torch

    from emospeech.data import audio

    encoder, found = load_speech(str(folder), layers), []
    for path in rows["audio"]:
        heard = torch.as_tensor(encoder.preprocess(audio.load(path)))[None]
        with torch.no_grad():
            found.append(over_time(*encoder(heard, torch.ones_like(heard, dtype=torch.bool)))[0, 0].numpy())
    return np.stack(found)


def test_last_and_numbered_layers(vectors_of, rows, tiny_xlsr, loads, tmp_path):
    for layers in ("last", 0, 2):
        expected = states_of(tiny_xlsr, rows, layers)
        found = vectors_of("speech", speech={"layers": layers})
        np.testing.assert_allclose(found, expected[:, 0], rtol=1e-4, atol=1e-5)
        both = vectors_of("speech", speech={"layers": layers}, options={"statistics": ["mean", "std"]})
        np.testing.assert_allclose(both, np.concatenate([expected[:, 0], expected[:, 1]], axis=1), rtol=1e-4, atol=1e-5)
    assert len(loads) == 1  # all layers are there from the first pass
    assert len(upkeep.listed(tmp_path / "store")) == 1


def test_several_layers_lie_end_to_end(vectors_of, recipe, rows):
    one, three = (vectors_of("speech", speech={"layers": layer}) for layer in (1, 3))
    made = vectors.build("speech", {}, recipe(speech={"layers": [3, 1]}))
    np.testing.assert_array_equal(made.of(rows), np.concatenate([three, one], axis=1))
    assert made.names[0] == "speech:3_mean_0"
    assert made.names[-1] == "speech:1_mean_15"
    assert len(made.names) == 32


def test_statistics_in_the_order_asked_for(recipe, rows):
    made = vectors.build("speech", {"statistics": ["std", "mean"]}, recipe())
    found = made.of(rows)
    assert made.names[0] == "speech:last_std_0"
    assert made.names[16] == "speech:last_mean_0"
    turned = vectors.build("speech", {"statistics": ["mean", "std"]}, recipe()).of(rows)
    np.testing.assert_array_equal(found, np.concatenate([turned[:, 16:], turned[:, :16]], axis=1))


def test_pooled_layers_are_all_of_them(vectors_of, rows, tiny_xlsr, tmp_path, loads):
    cache = Cache(folder=str(tmp_path / "store"))
    found = vectors.pooled_layers(rows, str(tiny_xlsr), cache)
    assert found.shape == (len(rows), 4, 2, 16)
    for layer in range(4):
        np.testing.assert_array_equal(found[:, layer, 0], vectors_of("speech", speech={"layers": layer}))
    np.testing.assert_array_equal(vectors.pooled_layers(rows, str(tiny_xlsr), cache, layers=[3, 0]), found[:, [3, 0]])
    assert len(loads) == 1
    with pytest.raises(UserError, match="layer 4"):
        vectors.pooled_layers(rows, str(tiny_xlsr), cache, layers=[4])


def test_a_layer_that_is_not_there(vectors_of):
    with pytest.raises(UserError, match=r"asks for layer 9; .* has 3"):
        vectors_of("speech", speech={"layers": 9})


def test_what_is_kept_is_read_without_the_encoder(vectors_of, afresh, loads):
    first = vectors_of("speech")
    afresh()
    np.testing.assert_array_equal(vectors_of("speech"), first)
    assert len(loads) == 1


def test_other_weights_in_the_same_folder_are_another_encoder(vectors_of, tiny_xlsr, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_xlsr, tmp_path / "encoder")
    first = vectors_of("speech")
    np.testing.assert_array_equal(vectors_of("speech", speech={"encoder": str(folder)}), first)
    assert len(upkeep.listed(tmp_path / "store")) == 1  # the same weights in another folder
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"layer_norm_eps": 1e-05', '"layer_norm_eps": 1e-03'))
    vectors_of("speech", speech={"encoder": str(folder)})
    assert len(upkeep.listed(tmp_path / "store")) == 2


def test_a_hub_id_is_told_by_its_commit_before_it_is_loaded(monkeypatch):
    monkeypatch.setattr(checkpoint, "commit", lambda name, revision: "a1b2")
    identity = deep.PooledSpeech("owner/name", None, None).identity()
    assert identity["encoder"] == {"name": "owner/name", "revision": "a1b2"}
    assert identity["kind"] == "pooled"


def test_texts(vectors_of, rows, recipe):
    made = vectors.build("text", {}, recipe())
    found = made.of(rows)
    assert found.shape == (len(rows), 16)
    assert made.names[3] == "text:mean_3"
    assert made.needs == "transcription"
    same = rows["transcription"] == rows["transcription"][0]
    assert (found[same] == found[0]).all()
    assert not (found[~same] == found[0]).all(axis=1).any()


def test_levels_of_text_lie_apart(vectors_of, tiny_xlmr, tmp_path):
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer

    torch.manual_seed(0)
    encoder, modules = str(tmp_path / "sentences"), [Transformer(str(tiny_xlmr)), Pooling(16, "cls"), Dense(16, 6)]
    SentenceTransformer(modules=modules, device="cpu").save(encoder, create_model_card=False)
    assert vectors_of("text", text={"encoder": encoder}).shape[1] == 16
    assert vectors_of("text", text={"encoder": encoder, "level": "sentence"}).shape[1] == 6


@pytest.mark.parametrize(
    ("name", "options", "sections", "expected"),
    [
        ("speech", {}, {"speech": {"layers": "weighted"}}, "a classical system learns no layer weights"),
        ("speech", {}, {"speech": None}, "section speech, which is null"),
        ("speech", {}, {"speech": {"encoder": "log_mel_cnn"}}, "trains from scratch"),
        ("speech", {"statistics": []}, {}, "should be mean, std or both"),
        ("speech", {"statistics": ["mean", "mean"]}, {}, "should be mean, std or both"),
        ("speech", {"statistics": ["max"]}, {}, "should be mean, std or both"),
        ("text", {}, {"text": None}, "section text, which is null"),
        ("text", {}, {"text": {"encoder": "subword_transformer"}}, "trains from scratch"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(recipe, name, options, sections, expected):
    with pytest.raises(UserError, match=expected):
        vectors.build(name, options, recipe(**sections))


def test_options_are_those_of_the_entry():
    """As `systems.checks` reads them."""
    from emospeech.systems.checks.words import options_fault

    entry = vectors.CLIP_FEATURES["speech"]
    assert options_fault(entry, {"statistics": ["mean", "std"]}) is None
    assert "unknown option layers" in options_fault(entry, {"layers": 3})
    assert "statistics" in options_fault(entry, {"statistics": ["max"]})
    assert "it takes none" in options_fault(vectors.CLIP_FEATURES["text"], {"a": 1})
