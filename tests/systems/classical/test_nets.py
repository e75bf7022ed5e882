"""The nets' loop: it learns, it repeats itself, and stops by what it does not learn from."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from emospeech.systems.classical import nets
from emospeech.systems.classical.contract import Training

PLAN = nets.Plan(lr=1e-2, epochs=200, patience=10, fraction=0.25, refit=False, weighted=False)
SHAPE = nets.Shape((16, 16), batch_norm=True, dropout=0.1)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 3
    features = rng.standard_normal((80, 5)) + rng.standard_normal((3, 5))[classes]
    return Training(features, classes, [f"s{k % 8}" for k in range(80)], seed=1)


def loss(net, rows):
    return F.nll_loss(torch.log(torch.tensor(net.chances(rows.features))), torch.tensor(rows.classes)).item()


def replaced(plan, **changes):
    return nets.Plan(**{**vars(plan), **changes})


@pytest.mark.parametrize("shape", [nets.Shape((16,) * 3), nets.Shape((16,) * 3, "gelu", True, 0.1)])
def test_steps_lower_the_loss(shape, rows):
    plan = replaced(PLAN, refit=True, patience=1000)
    losses = [loss(nets.fit(rows, shape, replaced(plan, epochs=count)), rows) for count in (1, 5, 40)]
    assert losses == sorted(losses, reverse=True)


def test_the_first_step_is_adams_on_all_rows(rows):
    """By hand: one step of Adam moves each weight by lr against its gradient's sign."""
    plan = replaced(PLAN, epochs=1, refit=False, lr=1e-3)
    shape = nets.Shape((4,))
    inner = nets.inner_part(rows, plan.fraction)
    with torch.random.fork_rng():
        torch.manual_seed(rows.seed)
        net = shape.build(5, 3)
    learned = torch.tensor(rows.features[~inner], dtype=torch.float32)
    F.cross_entropy(net(learned), torch.tensor(rows.classes[~inner])).backward()
    ours = nets.fit(rows, shape, plan).weights
    for name, weight in net.named_parameters():
        far = weight.grad.abs() > 1e-4  # Adam's epsilon bends smaller ones
        expected = (weight - 1e-3 * weight.grad.sign())[far].detach().numpy()
        assert ours[name][far.numpy()] == pytest.approx(expected, abs=1e-6)


def test_the_same_seed_is_the_same_net_and_torchs_own_state_stays(rows):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second = nets.fit(rows, SHAPE, PLAN), nets.fit(rows, SHAPE, PLAN)
    np.testing.assert_array_equal(first.chances(rows.features), second.chances(rows.features))
    assert torch.equal(torch.random.get_rng_state(), before)
    other = nets.fit(Training(rows.features, rows.classes, rows.groups, seed=2), SHAPE, PLAN)
    assert not np.array_equal(first.chances(rows.features), other.chances(rows.features))


def test_the_inner_part_is_of_groups_of_its_own(rows):
    inner = nets.inner_part(rows, 0.25)
    groups = np.array(rows.groups)
    assert 0 < inner.sum() < len(inner)
    assert not set(groups[inner]) & set(groups[~inner])
    alone = Training(rows.features, rows.classes, None, seed=1)
    assert nets.inner_part(alone, 0.25).sum() == 20
    assert nets.inner_part(Training(rows.features, rows.classes, ["s"] * 80, seed=1), 0.25).sum() == 20


def test_it_stops_where_the_inner_loss_was_lowest_and_the_refit_takes_as_long(rows):
    """The labels of the inner part are drawn: what is learned of the others only hurts there."""
    inner = nets.inner_part(rows, 0.25)
    drawn = np.where(inner, np.random.default_rng(1).integers(0, 3, 80), rows.classes)
    stopped = nets.fit(Training(rows.features, drawn, rows.groups, 1), SHAPE, PLAN)
    assert stopped.epochs < 100
    longer = nets.fit(rows, SHAPE, PLAN)
    assert longer.epochs > stopped.epochs
    again = nets.fit(rows, SHAPE, replaced(PLAN, refit=True))
    assert again.epochs == longer.epochs
    assert not np.array_equal(again.chances(rows.features), longer.chances(rows.features)), "it learned all rows"


def test_class_weights_by_hand():
    found = nets._class_weights(torch.tensor([0, 0, 0, 1]), 3)
    assert found.tolist() == pytest.approx([4 / 9, 4 / 3, 0])
