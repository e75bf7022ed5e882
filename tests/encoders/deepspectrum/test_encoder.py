"""The encoder: attention by hand, padding, what trains and what stays, starting from weights."""

import copy

import pytest
import torch

from emospeech.config import Speech
from emospeech.encoders.deepspectrum.attention import BlockAttention, Dot, Parametrised
from emospeech.encoders.deepspectrum.encoder import DeepSpectrum
from emospeech.runtime.errors import UserError
from emospeech.systems.checks import CHECKS
from emospeech.systems.parts import build_speech
from emospeech.training.switches import recompute_in_place

SMALL = {"size": 64, "bands": 20, "width": 2, "fc_width": 6, "dropout": 0.0}
SAMPLES = [512, 30_000, 9_137, 16_000]
NETS = {
    "fully connected": {},
    "dot": {"attention": True},
    "parametrised": {"attention": True, "compatibility": "parametrised"},
    "batch norm": {"attention": True, "batch_norm": True},
}


def small(**options):
    torch.manual_seed(0)
    return DeepSpectrum(**{**SMALL, **options})


def batch(samples=SAMPLES, padding=0):
    """Clips beside noise: what lies past the end must not matter."""
    generator = torch.Generator().manual_seed(0)
    waveforms = torch.randn(len(samples), max(samples) + padding, generator=generator) * 0.1
    return waveforms, torch.arange(waveforms.shape[1]) < torch.tensor(samples)[:, None]


@pytest.fixture
def weights(tmp_path):
    """A checkpoint of a narrow net, under torchvision's names."""
    from emospeech.encoders.deepspectrum.layouts import expected
    from emospeech.encoders.deepspectrum.vgg16 import VGG16

    torch.manual_seed(5)
    net, names, state = VGG16(2, 6), expected("torchvision", False), {}
    for key, value in net.state_dict().items():
        layer, _, kind = key.rpartition(".")
        state[f"{names[layer]}.{kind}"] = value.clone()
    torch.save(state, tmp_path / "vgg16.pth")
    return str(tmp_path / "vgg16.pth")


def test_attention_by_hand():
    """Three places of two channels, the global vector projected by a known matrix."""
    local = torch.tensor([[[[1.0, 0.0, 2.0]], [[0.0, 1.0, 1.0]]]])  # (1, 2, 1, 3)
    whole = torch.tensor([[1.0, 2.0, 0.0]])
    dot = Dot(2, 3)
    with torch.no_grad():
        dot.project.weight.copy_(torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0]]))
    vector, looked = BlockAttention(dot)(local, whole)
    expected = torch.softmax(torch.tensor([1.0, 2.0, 4.0]) / 2**0.5, dim=0)  # l · (1, 2)
    torch.testing.assert_close(looked, expected[None, None])
    places = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    torch.testing.assert_close(vector[0], expected @ places)


def test_the_parametrised_score_is_the_authors_whatever_the_global_vector():
    """u · (l + g) and u · l under a softmax: the reason why g is not computed."""
    generator = torch.Generator().manual_seed(0)
    local, whole = torch.randn(2, 4, 3, 5, generator=generator), torch.randn(2, 4, generator=generator)
    score = Parametrised(4, 4)
    authors = torch.softmax(score.score(local.flatten(2).transpose(1, 2) + whole[:, None])[..., 0], dim=1)
    looked = BlockAttention(score)(local, None)[1]
    torch.testing.assert_close(looked.flatten(1), authors)
    torch.testing.assert_close(looked.sum((1, 2)), torch.ones(2))


@pytest.mark.parametrize("options", NETS.values(), ids=NETS)
def test_a_batch_gives_what_each_clip_gives_alone(options):
    net = small(**options).eval()
    waveforms, mask = batch(padding=3000)
    states, valid = net(waveforms, mask)
    assert states.shape == (4, 1, 1, net.width)
    assert valid.shape == (4, 1)
    assert valid.all()
    assert (states.std(0) > 0).any()
    for row, samples in enumerate(SAMPLES):
        alone = net(waveforms[row : row + 1, :samples], mask[row : row + 1, :samples])[0]
        torch.testing.assert_close(states[row], alone[0], rtol=1e-3, atol=1e-4)


def test_widths():
    assert small().width == 6
    assert small(attention=True).width == 2 * 16  # eight times the first block's two, of blocks 4 and 5
    assert not hasattr(small(attention=True, compatibility="parametrised").net, "fc1")


def test_the_states_are_the_attended_vectors():
    """Pooled by the maps that `seen` gives, from the blocks before their pooling."""
    net = small(attention=True).eval()
    waveforms, mask = batch([9_137, 20_000])
    seen = net.seen(waveforms, mask)
    assert {name: tuple(one.shape) for name, one in seen.maps.items()} == {"block 4": (2, 8, 8), "block 5": (2, 4, 4)}
    maps = net.net.convolved(net.image(waveforms, mask))
    expected = [(seen.maps[f"block {k + 1}"][:, None] * maps[k]).sum((2, 3)) for k in (3, 4)]
    torch.testing.assert_close(net(waveforms, mask)[0][:, 0, 0], torch.cat(expected, dim=1))
    with pytest.raises(UserError, match="this model has no attention"):
        small().seen(waveforms, mask)


@pytest.mark.parametrize("options", NETS.values(), ids=NETS)
def test_every_weight_gets_a_gradient(options):
    net = small(**options).train()
    torch.manual_seed(1)
    states = net(*batch())[0]
    (states * torch.randn_like(states)).sum().backward()
    without = [name for name, one in net.named_parameters() if one.grad is None or not one.grad.any()]
    assert not [name for name in without if not name.endswith("bias")], "dead units may silence a bias"


@pytest.mark.parametrize(("train", "first"), [("all", 0), (1, 0), (4, 3), (5, 4), ("classifier", 5)])
def test_what_is_frozen_stays_bit_identical(weights, train, first):
    net = small(attention=True, weights=weights, train=train)
    net.start()
    before = copy.deepcopy(net.state_dict())
    trained = [one for one in net.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1, weight_decay=0.5)
    for _ in range(2):
        net.train()(*batch())[0].square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    same = {name for name, value in net.state_dict().items() if torch.equal(value, before[name])}
    frozen = {name for name in before if name.startswith(tuple(f"net.blocks.{k}." for k in range(first)))}
    assert frozen <= same
    assert not {name for name in same - frozen if name.endswith("weight")}


def test_batch_norms_of_frozen_blocks_keep_their_statistics(tmp_path):
    net = small(batch_norm=True)
    net.first = 2  # as with weights
    before = copy.deepcopy(net.state_dict())
    net.train()(*batch())
    moved = {name.split(".")[2] for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"2", "3", "4"}


def test_starting_from_weights(weights):
    net = small(weights=weights)
    random = net.net.fc1.weight.clone()
    assert net.started_from is None
    net.start()
    state = torch.load(weights)
    torch.testing.assert_close(net.net.fc1.weight, state["classifier.0.weight"])
    assert not torch.equal(net.net.fc1.weight, random)
    assert net.started_from["name"] == weights
    assert len(net.started_from["sha256"]) == 64


def test_weights_see_seven_by_seven_places_of_any_picture(weights):
    for size in (64, 224, 256):
        net = small(weights=weights, size=size)
        net.start()
        assert torch.isfinite(net.eval()(*batch([9_000]))[0]).all()
    assert small(size=64).net.fc1.in_features == 16 * 2 * 2  # from scratch as many as there are


def test_recomputing_gives_the_same_gradients():
    plain, saving = small(attention=True), small(attention=True)
    recompute_in_place([saving])
    for net in (plain, saving):
        net.train()(*batch())[0].square().sum().backward()
    for a, b in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": 20}, "size should be 32 pixels or more, got 20"),
        ({"colours": "virids"}, "unknown colours 'virids'; known: grey, viridis"),
        ({"train": "classifier"}, "without weights the blocks before it would stay random; give train: all"),
        (
            {"weights": "owner/name", "train": 6},
            "train should be all, classifier, or the first block that trains, 1",
        ),
        ({"train": "some"}, "train: input should be 'all' or 'classifier'"),
        ({"weights": "./nowhere.pth"}, r"weights: no file or folder './nowhere.pth'"),
        ({"compatibility": "cosine"}, "compatibility: input should be 'dot' or 'parametrised'"),
        ({"bands": 500}, "bands should be 1 to 190"),
        ({"dropout": 2.0}, "dropout probability has to be between 0 and 1"),
        ({"fc_width": 0}, "fc_width = 0: should be 1 or more"),
        ({"time_masks": -1}, "time_masks = -1: should be a whole number"),
        ({"widht": 8}, "unknown option widht; known: weights, train, attention"),
    ],
)
def test_options_that_cannot_be_are_told_before_any_work(options, expected):
    found = CHECKS["speech options"](options, {"encoder": "deep_spectrum"})
    assert found is not None
    assert expected in found


def test_the_check_of_a_full_net_makes_none(monkeypatch):
    """138 million random weights take a second that a check need not."""
    made = []
    monkeypatch.setattr(torch.nn.init, "kaiming_normal_", lambda tensor, **_: made.append(tensor.device.type))
    assert CHECKS["speech options"]({"weights": "timm/vgg16.tv_in1k"}, {"encoder": "deep_spectrum"}) is None
    assert set(made) == {"meta"}


def test_by_its_name_in_a_recipe():
    built = build_speech(Speech(encoder="deep_spectrum", options=SMALL))
    assert isinstance(built, DeepSpectrum)
    assert CHECKS["layers"](3, {"encoder": "deep_spectrum"}) == (
        "deep_spectrum has one layer of output; only a pre-trained encoder has more"
    )
