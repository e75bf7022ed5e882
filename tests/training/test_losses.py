import numpy as np
import pytest
import torch

from emospeech.data.dataset import UNLABELLED
from emospeech.training.losses import CLASS_WEIGHTS, CrossEntropy


def test_weighted_mean_is_torchs_own():
    torch.manual_seed(0)
    logits, labels, weights = torch.randn(7, 3), torch.tensor([0, 1, 2, 2, 1, 0, 2]), torch.tensor([0.5, 2.0, 7.0])
    loss = CrossEntropy(weights.tolist())
    ours = loss(logits, labels) / loss.normaliser(labels)
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits, labels, weights))


def test_micro_batches_add_up_to_the_global_mean():
    torch.manual_seed(0)
    logits, labels = torch.randn(10, 3), torch.randint(3, (10,))
    loss = CrossEntropy([1.0, 5.0, 0.1])
    whole = loss(logits, labels) / loss.normaliser(labels)
    total = loss.normaliser(labels)
    parts = sum(loss(logits[a:b], labels[a:b]) / total for a, b in ((0, 1), (1, 6), (6, 10)))
    torch.testing.assert_close(parts, whole)


def test_unlabelled_rows_count_nothing():
    loss = CrossEntropy([1.0, 3.0])
    logits = torch.tensor([[2.0, 1.0], [5.0, -5.0]])
    one, both = torch.tensor([1]), torch.tensor([1, UNLABELLED])
    torch.testing.assert_close(loss(logits, both), loss(logits[:1], one))
    assert loss.normaliser(both) == 3.0
    assert loss.normaliser(torch.tensor([UNLABELLED])) == 0.0


def test_inverse_weights_are_the_winners():
    """Class counts and weights as the published system has them (reference: 2519 / count)."""
    counts = np.array([980, 592, 334, 290, 304, 19])
    np.testing.assert_allclose(CLASS_WEIGHTS["inverse"](counts), [2.57, 4.26, 7.54, 8.69, 8.29, 132.6], rtol=2e-3)
    assert CLASS_WEIGHTS["inverse"](np.array([4, 0])).tolist() == [1.0, 0.0]
    assert CLASS_WEIGHTS["none"](counts).tolist() == [1.0] * 6


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_weights_are_finite_whatever_the_counts(name):
    for counts in ([0, 0, 5], [1, 1, 1], [10**6, 1, 0]):
        assert np.isfinite(CLASS_WEIGHTS[name](np.array(counts))).all()
