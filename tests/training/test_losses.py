"""Losses against torch's own, hand-computed numbers, and the laws that all of them keep."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from emospeech.data.examples.dataset import UNLABELLED
from emospeech.training.losses import CLASS_WEIGHTS, LOSSES, CrossEntropy, Focal, LogitAdjusted

WEIGHTS, COUNTS = [0.5, 2.0, 7.0], [60, 30, 10]
VARIANTS = [
    ("cross_entropy", {}),
    ("cross_entropy", {"label_smoothing": 0.2}),
    ("focal", {}),
    ("focal", {"gamma": 0.5}),
    ("logit_adjusted", {}),
    ("logit_adjusted", {"tau": 0.5, "label_smoothing": 0.1}),
]


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join([variant[0], *variant[1]]))
def loss(request):
    name, options = request.param
    return LOSSES[name](WEIGHTS, COUNTS, **options).double()


@pytest.fixture
def sample():
    """Logits (10, 3) and labels (10,), of all three classes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 2, 0, 0, 1])
    return 3 * torch.randn(10, 3, generator=generator, dtype=torch.float64), labels


def mean(loss, logits, labels):
    return loss(logits, labels) / loss.normaliser(labels)


def test_every_loss_is_here():
    assert {name for name, _ in VARIANTS} == set(LOSSES)


# -- each against its definition -----------------------------------------------------------------------------------


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
def test_weighted_mean_is_torchs_own(sample, label_smoothing):
    logits, labels = sample
    ours = mean(CrossEntropy(WEIGHTS, label_smoothing=label_smoothing).double(), logits, labels)
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    theirs = F.cross_entropy(logits, labels, weights, label_smoothing=label_smoothing)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_soft_targets_sum_as_torchs_own(sample, label_smoothing):
    logits, _ = sample
    targets = torch.rand(10, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    targets /= targets.sum(1, keepdim=True)
    loss = CrossEntropy(WEIGHTS, label_smoothing=label_smoothing).double()
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    theirs = F.cross_entropy(logits, targets, weights, reduction="sum", label_smoothing=label_smoothing)
    torch.testing.assert_close(loss(logits, targets), theirs, rtol=0, atol=1e-12)
    torch.testing.assert_close(loss.normaliser(targets), (targets @ weights).sum(), rtol=0, atol=1e-6)


def test_focal_by_hand():
    """p_y = 0.9: 0.1^2 * -ln 0.9; p_y = 0.2: 0.8^2 * -ln 0.2, with weight 3."""
    logits = torch.tensor([[0.9, 0.1], [0.8, 0.2]], dtype=torch.float64).log()
    loss = Focal([1.0, 3.0])
    easy, hard = 0.01 * -np.log(0.9), 0.64 * -np.log(0.2)
    assert loss(logits, torch.tensor([0, 1])).item() == pytest.approx(easy + 3 * hard, abs=1e-12)
    assert loss.normaliser(torch.tensor([0, 1])).item() == 4.0


def test_focal_without_gamma_is_cross_entropy(sample):
    torch.testing.assert_close(Focal(WEIGHTS, gamma=0.0)(*sample), CrossEntropy(WEIGHTS)(*sample), rtol=0, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_has_finite_slopes_where_a_clip_is_certain(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    value = Focal([1.0, 1.0], gamma=gamma)(logits, torch.tensor([0, 0]))
    value.backward()
    assert value.item() == pytest.approx(200.0)
    assert torch.isfinite(logits.grad).all()


def test_logit_adjustment_by_definition(sample):
    logits, labels = sample
    adjusted = logits + 0.5 * torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64).log()
    loss = LogitAdjusted([1.0, 1.0, 1.0], COUNTS, tau=0.5)
    torch.testing.assert_close(mean(loss, logits, labels), F.cross_entropy(adjusted, labels), rtol=0, atol=1e-6)


def test_logit_adjustment_of_equal_classes_is_cross_entropy(sample):
    adjusted = LogitAdjusted(WEIGHTS, [5, 5, 5])
    torch.testing.assert_close(adjusted(*sample), CrossEntropy(WEIGHTS)(*sample), rtol=0, atol=1e-6)


def test_a_class_without_clips_is_no_trouble(sample):
    logits, _ = sample
    logits.requires_grad_()
    labels = torch.tensor([0, 1] * 5)
    loss = LogitAdjusted([1.0, 1.0, 0.0], [60, 40, 0], label_smoothing=0.1)
    value = mean(loss, logits, labels)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    assert loss.adjustment[2].item() == pytest.approx(np.log(1 / 101))


# -- laws of all of them -------------------------------------------------------------------------------------------


def test_one_hot_targets_are_the_labels(loss, sample):
    logits, labels = sample
    one_hot = F.one_hot(labels, 3).double()
    torch.testing.assert_close(loss(logits, one_hot), loss(logits, labels), rtol=0, atol=1e-12)
    torch.testing.assert_close(loss.normaliser(one_hot), loss.normaliser(labels), rtol=0, atol=1e-12)


@pytest.mark.parametrize("soft", [False, True])
def test_micro_batches_add_up_to_the_global_mean(loss, sample, soft):
    logits, labels = sample
    if soft:
        labels = torch.softmax(logits.flip(0), dim=1)
    total = loss.normaliser(labels)
    parts = sum(loss(logits[a:b], labels[a:b]) / total for a, b in ((0, 1), (1, 6), (6, 10)))
    torch.testing.assert_close(parts, mean(loss, logits, labels))


@pytest.mark.parametrize("soft", [False, True])
def test_rows_that_do_not_count(loss, sample, soft):
    logits, labels = sample
    some = labels.clone()
    some[3:] = UNLABELLED
    if soft:
        one_hot = F.one_hot(labels, 3).double()
        labels, some = one_hot, one_hot * (torch.arange(10) < 3)[:, None]
    torch.testing.assert_close(loss(logits, some), loss(logits[:3], labels[:3]))
    torch.testing.assert_close(loss.normaliser(some), loss.normaliser(labels[:3]))
    assert loss.normaliser(some[3:]) == 0.0
    assert loss(logits[3:], some[3:]) == 0.0


def test_gradients_are_those_of_finite_differences(loss, sample):
    logits, labels = sample
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), logits.requires_grad_())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cross_entropy", {"label_smoothing": 1.5}),
        ("cross_entropy", {"label_smoothing": -0.1}),
        ("focal", {"gamma": -1.0}),
        ("focal", {"gamma": float("inf")}),
        ("logit_adjusted", {"tau": -1.0}),
        ("logit_adjusted", {"tau": float("nan")}),
        ("logit_adjusted", {"label_smoothing": 2.0}),
    ],
)
def test_options_out_of_range(name, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} should"):
        LOSSES[name](WEIGHTS, COUNTS, **options)


# -- class weights -------------------------------------------------------------------------------------------------


def test_inverse_weights_are_the_winners():
    """Class counts and weights as the published system has them (reference: 2519 / count)."""
    counts = np.array([980, 592, 334, 290, 304, 19])
    np.testing.assert_allclose(CLASS_WEIGHTS["inverse"](counts), [2.57, 4.26, 7.54, 8.69, 8.29, 132.6], rtol=2e-3)
    assert CLASS_WEIGHTS["inverse"](np.array([4, 0])).tolist() == [1.0, 0.0]
    assert CLASS_WEIGHTS["none"](counts).tolist() == [1.0] * 6


def test_effective_number_by_hand():
    """E(1) = 1, E(2) = 1.9 and E(3) = 2.71 at beta 0.9, inverted and scaled to sum 3."""
    weights = CLASS_WEIGHTS["effective_number"](np.array([1, 2, 3]), beta=0.9)
    inverted = np.array([1, 1 / 1.9, 1 / 2.71])
    np.testing.assert_allclose(weights, inverted * 3 / inverted.sum(), rtol=1e-12)


def test_effective_number_lies_between_none_and_inverse():
    counts = np.array([500, 40, 3])
    np.testing.assert_allclose(CLASS_WEIGHTS["effective_number"](counts, beta=0.0), 1.0)
    nearly = CLASS_WEIGHTS["effective_number"](counts, beta=1 - 1e-9)
    inverse = CLASS_WEIGHTS["inverse"](counts)
    np.testing.assert_allclose(nearly, inverse * 3 / inverse.sum(), rtol=1e-6)


@pytest.mark.parametrize("beta", [1.0, -0.1, 2.0])
def test_effective_number_refuses_other_betas(beta):
    with pytest.raises(ValueError, match="beta should"):
        CLASS_WEIGHTS["effective_number"](np.array([1, 2]), beta=beta)


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_weights_are_finite_and_fall_with_the_counts(name):
    for counts in ([0, 0, 5], [1, 1, 1], [10**6, 1, 0], [2.5, 0.5, 0.0]):
        weights = CLASS_WEIGHTS[name](np.array(counts))
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()
        if name != "none":
            assert (weights[np.array(counts) == 0] == 0).all()
    falling = CLASS_WEIGHTS[name](np.array([1, 5, 100]))
    assert (np.diff(falling) <= 0).all()
