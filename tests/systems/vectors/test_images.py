"""Vectors of deep spectrum: VGG-16's own numbers, kept, named by what decides them; models that find their weights."""

import inspect
import json

import numpy as np
import pytest
import torch

from emospeech.data import audio
from emospeech.encoders.deepspectrum import layouts, weights
from emospeech.encoders.deepspectrum.encoder import DeepSpectrum
from emospeech.encoders.deepspectrum.image import at_least_a_window
from emospeech.encoders.deepspectrum.vgg16 import VGG16
from emospeech.encoders.store import upkeep
from emospeech.runtime.errors import UserError
from emospeech.systems import build, vectors
from emospeech.systems.vectors import images

SMALL = {"size": 64, "bands": 24, "width": 2, "fc_width": 10}


@pytest.fixture
def checkpoint(tmp_path):
    def make(name="vgg.pth", seed=3):
        torch.manual_seed(seed)
        net, names = VGG16(2, 10), layouts.expected("timm", False)
        parts = {key: key.rpartition(".") for key in net.state_dict()}
        state = {f"{names[layer]}.{kind}": net.state_dict()[key] for key, (layer, _, kind) in parts.items()}
        torch.save(state, tmp_path / name)
        return str(tmp_path / name)

    return make


def by_hand(path, rows, layer, **options):
    """Each clip alone through the net."""
    net, found = DeepSpectrum(weights=path, **SMALL, **options), []
    net.start()
    for file in rows["audio"]:
        heard = torch.as_tensor(at_least_a_window(audio.load(file)))[None]
        with torch.no_grad():
            picture = net.eval().image(heard, torch.ones_like(heard, dtype=torch.bool))
            found.append(net.net.connected(net.net.convolved(picture)[-1])[layer][0].numpy())
    return np.stack(found)


def test_the_nets_own_numbers(vectors_of, rows, checkpoint):
    path = checkpoint()
    for layer, name in enumerate(("fc1", "fc2")):
        found = vectors_of("deep_spectrum", options={"weights": path, "layer": name, **SMALL})
        np.testing.assert_allclose(found, by_hand(path, rows, layer), rtol=1e-4, atol=1e-5)
        assert found.shape == (len(rows), 10)
        assert (found.std(0) > 0).any()
    found = vectors_of("deep_spectrum", options={"weights": path, "normalise": True, **SMALL})
    np.testing.assert_allclose(found, by_hand(path, rows, 1, normalise=True), rtol=1e-4, atol=1e-5)


def test_names_and_what_they_need(recipe):
    made = vectors.build("deep_spectrum", {"layer": "fc1", **SMALL}, recipe())
    assert made.names[7] == "deep_spectrum:fc1_7"
    assert made.needs == "audio"


def test_kept_apart_by_all_that_decides_them(vectors_of, checkpoint, afresh, monkeypatch, tmp_path):
    options = {"weights": checkpoint(), **SMALL}
    first = vectors_of("deep_spectrum", options=options)
    others = [
        {"layer": "fc1"},
        {"colours": "grey"},
        {"size": 32},
        {"bands": 20},
        {"range_db": 40.0},
        {"normalise": True},
    ]
    others += [{"weights": None}, {"weights": None, "seed": 1}, {"weights": checkpoint("b.pth", seed=4)}]
    for other in others:
        assert not np.array_equal(vectors_of("deep_spectrum", options=options | other), first), other
    assert len(upkeep.listed(tmp_path / "store")) == 1 + len(others)
    (tmp_path / "vgg.pth").rename(tmp_path / "moved.pth")
    monkeypatch.setattr(images.DeepSpectrumFeatures, "_loaded", None)  # nothing is computed again
    afresh()
    moved = options | {"weights": str(tmp_path / "moved.pth")}
    np.testing.assert_array_equal(vectors_of("deep_spectrum", options=moved), first)


def test_a_younger_option_names_sets_only_where_it_is_on(recipe):
    def reading(**options):
        return vectors.build("deep_spectrum", options, recipe()).identity()["reading"]

    older = {"layer", "colours", "size", "bands", "range_db", "width", "fc_width", "batch_norm"}
    assert set(reading()) == set(reading(normalise=False)) == older
    assert reading(normalise=True) == {**reading(), "normalise": True}


def test_all_options_of_picture_and_net_are_the_encoders():
    """But those that only an encoder has that trains, or is attended."""
    own = {"train", "attention", "compatibility", "dropout", "time_masks", "time_mask_frames"}
    own |= {"frequency_masks", "frequency_mask_bands"}
    encoder, features = (inspect.signature(one).parameters for one in (DeepSpectrum, vectors.deep_spectrum))
    keyword = {name: one.default for name, one in features.items() if one.kind is one.KEYWORD_ONLY}
    assert set(keyword) - {"seed", "layer"} == set(encoder) - own
    assert all(encoder[name].default == keyword[name] for name in set(keyword) & set(encoder))


def test_random_weights_are_those_of_their_seed(vectors_of, afresh):
    options = {"seed": 7, **SMALL}
    first = vectors_of("deep_spectrum", options=options, cache=None)
    torch.manual_seed(123)
    afresh()
    np.testing.assert_array_equal(vectors_of("deep_spectrum", options=options, cache=None), first)


def test_a_hub_id_is_told_by_its_commit_before_it_is_loaded(monkeypatch, recipe):
    monkeypatch.setattr(weights.checkpoint, "commit", lambda name, revision: revision or "a1b2")
    given = {"weights": "owner/name", **SMALL}
    assert vectors.build("deep_spectrum", given, recipe()).identity()["encoder"] == {
        "name": "owner/name", "revision": "a1b2",
    }  # fmt: skip
    older = vectors.build("deep_spectrum", given, recipe(), {"deep_spectrum owner/name": "c3d4"})
    assert older.recorded() == {"name": "owner/name", "revision": "c3d4", "sha256": None}
    assert older.kind == "deep_spectrum owner/name"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"weights": "./nowhere.pth"}, r"classical\.features: deep_spectrum: weights: no file or folder"),
        ({"size": 16}, "deep_spectrum: size should be 32 pixels or more"),
        ({"colours": "x"}, "deep_spectrum: unknown colours 'x'; known: grey, viridis"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(recipe, options, expected):
    with pytest.raises(UserError, match=expected):
        vectors.build("deep_spectrum", options, recipe())


def test_weights_of_another_net_are_told(vectors_of, checkpoint):
    with pytest.raises(UserError, match=r"are a VGG-16 of other sizes \(its width is 2\)"):
        vectors_of("deep_spectrum", options={"weights": checkpoint(), **SMALL, "width": 4})


def test_a_saved_system_finds_its_weights_from_elsewhere(recipe, rows, checkpoint, tmp_path, monkeypatch, afresh):
    checkpoint()
    monkeypatch.chdir(tmp_path)
    features = [{"name": "deep_spectrum", "weights": "vgg.pth", **SMALL}, "functionals"]
    wanted = recipe(classical={"features": features, "model": "svm_linear"}, speech=None)
    system = build.build(wanted, {"label": sorted(rows["label"].unique())})
    system.fit(rows, None, tmp_path / "run")
    system.save(tmp_path / "model")
    predicted = system.predict(rows)
    monkeypatch.chdir("/")
    afresh()
    again = build.load(tmp_path / "model").predict(rows)
    np.testing.assert_allclose(again.filter(like="p_"), predicted.filter(like="p_"), atol=1e-6)
    told = json.loads((tmp_path / "model" / "config.json").read_text())["encoders"]
    assert list(told) == [f"deep_spectrum {tmp_path / 'vgg.pth'}"]
    checkpoint(seed=9)
    with pytest.raises(UserError, match="has changed since"):
        build.load(tmp_path / "model")
