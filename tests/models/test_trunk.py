"""Layers that the tasks share, between the pooled vector and the heads."""

import numpy as np
import pytest
import torch

from emospeech.config import Model
from emospeech.encoders.features import Features
from emospeech.models.build import build_classifier
from emospeech.models.heads import ACTIVATIONS, NORMS, BatchNorm, MLPHead, Trunk

TASKS = {"label": ["a", "b", "c"], "gender": ["f", "m"]}


def build(text=4, speech=None, **model):
    torch.manual_seed(5)
    return build_classifier(Model.model_validate({"head": {"blocks": 0}, **model}), TASKS, speech, text)


def words(rows=3, width=4):
    states = torch.randn(rows, 5, width, generator=torch.Generator().manual_seed(1))
    return Features(None, None, states, torch.ones(rows, 5, dtype=torch.bool))


def test_a_trunk_by_hand():
    trunk = Trunk(2, [2, 1])
    with torch.no_grad():
        for layer, weight in ((trunk[0], [[1.0, -1.0], [2.0, 0.0]]), (trunk[3], [[1.0, 3.0]])):
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.fill_(-1.0)
    # (3, 1) -> (1, 5) -> 15; (0, 2) -> (-3, -1), silenced -> -1, silenced
    assert trunk(torch.tensor([[3.0, 1.0], [0.0, 2.0]])).tolist() == [[15.0], [0.0]]
    assert trunk.width == 1


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("standardise", [False, True])
def test_every_kind_takes_batches_and_single_rows(activation, norm, standardise):
    trunk = Trunk(4, [6, 3], activation, norm, dropout=0.5, standardise=standardise)
    for mode in (True, False):
        for rows in (1, 5):
            assert trunk.train(mode)(torch.randn(rows, 4)).shape == (rows, 3)
    assert trunk.width == 3


def test_a_single_row_changes_no_statistics():
    norm = BatchNorm(3).train()
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(norm(x), norm.eval()(x))
    assert norm.running_mean.tolist() == [0.0, 0.0, 0.0]
    assert norm.num_batches_tracked == 0


def test_standardised_as_scikit_learn_does_it():
    from sklearn.preprocessing import StandardScaler

    x = np.random.default_rng(0).normal([3.0, -7.0], [0.1, 20.0], size=(40, 2))
    given = torch.tensor(x, dtype=torch.float32)
    norm = Trunk(2, [1], standardise=True)[0].train()
    assert np.allclose(norm(given).numpy(), StandardScaler().fit_transform(x), atol=2e-3)  # its epsilon: 1e-5
    assert not list(norm.parameters())


def test_the_tasks_share_it():
    model = build(trunk={"widths": [6, 5]}).train()
    assert model.heads["gender"]["joint"].out.in_features == 5
    logits = model(words())
    assert {task: tuple(of.shape) for task, of in logits.items()} == {"label": (3, 3), "gender": (3, 2)}
    logits["gender"].sum().backward()
    assert model.trunks["joint"][0].weight.grad.abs().sum() > 0
    assert model.heads["label"]["joint"].out.weight.grad is None


def test_late_fusion_has_one_for_each_modality():
    model = build(speech=(2, 6), fusion="late", trunk={"widths": [5]})
    ins = {name: trunk[0].in_features for name, trunk in model.trunks.items()}
    assert ins == {"speech": 6, "text": 4}
    speech = torch.randn(3, 2, 7, 6)
    both = Features(speech, torch.ones(3, 7, dtype=torch.bool), words().text, words().text_mask)
    assert model(both)["gender"].shape == (3, 2)


def test_without_one_nothing_is_different():
    """The same names, the same first weights in the same draw, as heads that stand right behind the fusion."""
    plain = build()
    assert not [key for key in plain.state_dict() if "trunk" in key]
    torch.manual_seed(5)
    build_classifier(Model.model_validate({"head": {"blocks": 0}}), {}, None, 4)  # draws all but the heads
    for task, names in TASKS.items():
        expected = MLPHead(4, len(names), 0, 512, 0.1).state_dict()
        own = plain.heads[task]["joint"].state_dict()
        assert all(torch.equal(expected[key], own[key]) for key in expected)
    following = torch.rand(1)
    build()
    assert torch.equal(torch.rand(1), following)


@pytest.mark.parametrize("trunk", [{"widths": []}, {"widths": [0]}, {"widths": [4], "norm": "group"}, {}])
def test_trunks_that_cannot_be(trunk):
    with pytest.raises(ValueError, match="trunk"):
        build(trunk=trunk)


def test_a_trunk_without_layers_standardises_and_drops_out():
    torch.manual_seed(0)
    trunk = Trunk(400, [], dropout=0.25, standardise=True).train()
    x = 7 + 3 * torch.randn(64, 400)
    out = trunk(x)
    assert trunk.width == 400
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    plain = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() / 0.75
    torch.testing.assert_close(out[out != 0], plain[out != 0])
    assert not (trunk.eval()(x) == 0).any()
