"""VGG-16 against a plain functional computation on the same weights, in others' layouts; what is no VGG-16."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from emospeech.encoders.deepspectrum import layouts, weights
from emospeech.encoders.deepspectrum.vgg16 import VGG16, grid_of
from emospeech.runtime.errors import UserError

# where torchvision's and timm's `features` have their convolutions, a block a row (torchvision's vgg16, printed)
PLACES = [(0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)]
PLACES_BN = [(0, 3), (7, 10), (14, 17, 20), (24, 27, 30), (34, 37, 40)]
WIDTH, FC = 2, 6


def checkpoint(batch_norm=False):
    """A narrow net's weights under torchvision's names."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(*shape, generator=generator) * (2 / max(1, torch.tensor(shape[1:]).prod())) ** 0.5

    state, inputs = {}, 3
    for block, outputs in zip(PLACES_BN if batch_norm else PLACES, [WIDTH * k for k in (1, 2, 4, 8, 8)], strict=True):
        for place in block:
            state[f"features.{place}.weight"] = drawn(outputs, inputs, 3, 3)
            state[f"features.{place}.bias"] = drawn(outputs, 1)[:, 0] * 0.1
            if batch_norm:
                for name, low in (("weight", 0.5), ("bias", -0.1), ("running_mean", -0.1), ("running_var", 0.5)):
                    state[f"features.{place + 1}.{name}"] = torch.rand(outputs, generator=generator) + low
                state[f"features.{place + 1}.num_batches_tracked"] = torch.tensor(7)
            inputs = outputs
    for place, (a, b) in {0: (inputs * 49, FC), 3: (FC, FC), 6: (FC, 10)}.items():
        state[f"classifier.{place}.weight"], state[f"classifier.{place}.bias"] = drawn(b, a), drawn(b, 1)[:, 0]
    return state


def as_timm(state):
    """As timm keeps them: fully connected layers as convolutions, of 7 x 7 and 1 x 1."""
    names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    found = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        if layer == "classifier.0" and kind == "weight":
            value = value.reshape(FC, -1, 7, 7)
        if layer == "classifier.3" and kind == "weight":
            value = value.reshape(FC, FC, 1, 1)
        found[f"{names.get(layer, layer)}.{kind}"] = value.contiguous()
    return found


def by_hand(state, x, batch_norm=False):
    """What fc1 and fc2 give, after their ReLU."""
    for block in PLACES_BN if batch_norm else PLACES:
        for place in block:
            x = F.conv2d(x, state[f"features.{place}.weight"], state[f"features.{place}.bias"], padding=1)
            if batch_norm:
                norm = {name: state[f"features.{place + 1}.{name}"] for name in ("weight", "bias")}
                mean, variance = (state[f"features.{place + 1}.running_{name}"] for name in ("mean", "var"))
                x = F.batch_norm(x, mean, variance, norm["weight"], norm["bias"])
            x = x.clamp(min=0)
        x = F.max_pool2d(x, 2, 2)
    x = F.adaptive_avg_pool2d(x, 7).flatten(1)
    first = F.linear(x, state["classifier.0.weight"], state["classifier.0.bias"]).clamp(min=0)
    return first, F.linear(first, state["classifier.3.weight"], state["classifier.3.bias"]).clamp(min=0)


def loaded(state, batch_norm=False, **options):
    net = VGG16(WIDTH, FC, batch_norm=batch_norm, **options).eval()
    net.load_state_dict(layouts.translated(state, net.state_dict(), "here"), strict=False)
    return net


@pytest.mark.parametrize("size", [224, 96])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_both_layouts_give_what_a_plain_computation_gives(size, batch_norm):
    state = checkpoint(batch_norm)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    expected = by_hand(state, images, batch_norm)
    for layout in (state, as_timm(state)):
        net = loaded(layout, batch_norm)
        for ours, theirs in zip(net.connected(net.convolved(images)[-1]), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
            assert (theirs > 0).any()


def test_the_published_size():
    with torch.device("meta"):
        full = VGG16()
    classifier = 4096 * 1000 + 1000
    assert sum(one.numel() for one in full.parameters()) + classifier == 138_357_544  # torchvision's count
    convolutional = sum(one.numel() for one in full.blocks.parameters())
    assert convolutional == 14_714_688


def test_without_fully_connected_layers_their_weights_are_not_asked_for():
    state = {key: value for key, value in checkpoint().items() if key.startswith("features")}
    net = loaded(state, connected=False)
    torch.testing.assert_close(net.blocks[4].convolutions[2].weight, state["features.28.weight"])
    with pytest.raises(UserError, match=r"it lacks 4 \(classifier\.0\.weight"):
        loaded(state)


def test_a_frozen_prefix_has_no_gradient():
    net = VGG16(WIDTH, FC, grid=1)
    net.connected(net.convolved(torch.randn(2, 3, 32, 32), frozen=3)[-1])[1].sum().backward()
    with_gradient = [any(one.grad is not None for one in block.parameters()) for block in net.blocks]
    assert with_gradient == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("change", "batch_norm", "expected"),
    [
        (lambda s: {f"backbone.{k}": v for k, v in s.items()}, False, "not VGG-16's under the names of torchvision"),
        (lambda s: {k: v for k, v in s.items() if "features.28" not in k}, False, r"lacks 2 \(features\.28"),
        (lambda s: s, True, "it lacks batch norms: give batch_norm: false"),
        (lambda s: checkpoint(True), False, "it has batch norms: give batch_norm: true"),
        (lambda s: s | {"features.0.weight": torch.zeros(4, 3, 3, 3)}, False, "of other sizes .its width is 4."),
        (
            lambda s: s | {"classifier.3.weight": torch.zeros(9, 6)},
            False,
            r"classifier\.3\.weight: \(9, 6\), should be",
        ),
        (lambda s: {}, False, "and it has no others"),
    ],
)
def test_another_layout_is_one_clear_error(change, batch_norm, expected):
    with pytest.raises(UserError, match=expected):
        loaded(change(checkpoint()), batch_norm)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin", "vgg16-397923af.pth", "legacy.pth"])
def test_files_and_folders(tmp_path, file):
    state, path = checkpoint(), tmp_path / file
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=file != "legacy.pth")
    for name in (path, tmp_path):
        found = weights.find(str(name))
        assert found.path == path
        assert weights.identity(str(name)) == {
            "name": str(name),
            "revision": None,
            "sha256": found.sha256,
        }
        read = weights.read(found)
        assert all(torch.equal(read[key], value) for key, value in state.items())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./nowhere.pth", r"no file or folder './nowhere.pth'; give a Hub id \(owner/name"),
        ("vgg16", "no file or folder 'vgg16'"),
        ("nowhere.safetensors", "no file or folder"),
        ("EMPTY", r"no model\.safetensors, pytorch_model\.bin in the folder"),
        ("TEXT", "is no file of weights"),
        ("owner/name", "cannot load the weights from the Hub or its cache under the id 'owner/name'"),
    ],
)
def test_weights_that_are_not_there(tmp_path, name, expected):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("hello")
    name = {"EMPTY": str(tmp_path / "empty"), "TEXT": str(tmp_path / "a.txt")}.get(name, name)
    with pytest.raises(UserError, match=expected):
        weights.find(name)


def test_files_that_hold_something_else(tmp_path):
    (tmp_path / "junk.pth").write_bytes(b"not a pickle")
    (tmp_path / "junk.safetensors").write_bytes(b"nor this")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"net": torch.nn.Linear(1, 1)}, tmp_path / "module.pth")  # would run code
    for name, expected in (
        ("junk.pth", "cannot be read"), ("junk.safetensors", "cannot be read"), ("list.pth", "no weights by name"),
        ("module.pth", "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=expected):
            weights.read(weights.find(str(tmp_path / name)))


def test_sizes_that_cannot_be():
    with pytest.raises(UserError, match="size should be 32 pixels or more, got 31: VGG-16 halves it 5 times"):
        grid_of(31)
    with pytest.raises(UserError, match="width = 0: should be 1 or more"):
        VGG16(width=0)
