"""Poolings against hand-computed numbers, and laws that hold for all of them."""

import pytest
import torch
from torch.nn.functional import softmax

from emospeech.models.pooling import (
    POOLINGS,
    AttentionPooling,
    AttentiveStatisticsPooling,
    DoubleMultiHeadAttentionPooling,
    MaxPooling,
    MeanPooling,
    MultiHeadAttentionPooling,
    StatisticsPooling,
)

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()


def test_attention_by_hand():
    pooling = AttentionPooling(2)
    pooling.query.data = torch.tensor([1.0, 0.0])
    x = torch.tensor([[[0.0, 5.0], [torch.log(torch.tensor(3.0)), 1.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False]])
    torch.testing.assert_close(pooling.weights(x, mask), torch.tensor([[0.25, 0.75, 0.0]]))
    torch.testing.assert_close(pooling(x, mask)[0, 1], torch.tensor(0.25 * 5 + 0.75 * 1))


SMALL = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, float("nan")]]])
FIRST_TWO = torch.tensor([[True, True, False]])


def test_mean_max_and_statistics_by_hand():
    assert MeanPooling(2)(SMALL, FIRST_TWO).tolist() == [[2.0, 4.0]]
    assert MaxPooling(2)(SMALL, FIRST_TWO).tolist() == [[3.0, 6.0]]
    assert StatisticsPooling(2)(SMALL, FIRST_TWO).tolist() == [[2.0, 4.0, 1.0, 2.0]]


def test_max_of_negative_values_is_not_the_padding():
    assert MaxPooling(1)(torch.tensor([[[-3.0], [-5.0], [0.0]]]), FIRST_TWO).tolist() == [[-3.0]]


def test_statistics_of_one_frame_can_be_learned_from():
    x = torch.ones(1, 1, 3, requires_grad=True)
    StatisticsPooling(3)(x, torch.ones(1, 1, dtype=torch.bool)).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_attentive_statistics_by_hand():
    pooling = AttentiveStatisticsPooling(1, hidden=1)
    for linear, weight in ((pooling.scores[0], 1.0), (pooling.scores[2], 2.0)):
        linear.weight.data, linear.bias.data = torch.tensor([[weight]]), torch.zeros(1)
    x = torch.tensor([[[0.0], [1.0], [50.0]]])
    weight = torch.sigmoid(2 * torch.tanh(torch.tensor(1.0)))  # on the second of two frames
    mean, deviation = pooling(x, FIRST_TWO)[0]
    torch.testing.assert_close(mean, weight)
    torch.testing.assert_close(deviation, (weight * (1 - weight)).sqrt())


def test_even_weights_are_plain_statistics():
    pooling = AttentiveStatisticsPooling(8)
    pooling.scores[2].weight.data.zero_()
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(pooling(x, MASK), StatisticsPooling(8)(x, MASK))


def test_multi_head_pools_each_part_by_its_own_query():
    torch.manual_seed(0)
    pooling = MultiHeadAttentionPooling(6, heads=2)
    x = torch.randn(1, 4, 6)
    expected = []
    for head, part in enumerate((x[0, :, :3], x[0, :, 3:])):
        scores = part @ pooling.queries[head] / 3**0.5
        expected.append(softmax(scores, 0) @ part)
    torch.testing.assert_close(pooling(x, torch.ones(1, 4, dtype=torch.bool))[0], torch.cat(expected))


def test_one_head_is_attention_pooling_but_for_the_scale():
    torch.manual_seed(0)
    one, plain = MultiHeadAttentionPooling(4, heads=1), AttentionPooling(4)
    plain.query.data = one.queries.data[0] / 2  # sqrt(4)
    x, mask = torch.randn(3, 5, 4), MASK
    torch.testing.assert_close(one(x, mask), plain(x, mask))


def test_double_multi_head_weighs_the_heads():
    torch.manual_seed(0)
    pooling = DoubleMultiHeadAttentionPooling(6, heads=3)
    x = torch.randn(1, 4, 6)
    contexts = pooling.heads(x, torch.ones(1, 4, dtype=torch.bool)).view(3, 2)
    weights = softmax(contexts @ pooling.over_heads.query, 0)
    result = pooling(x, torch.ones(1, 4, dtype=torch.bool))
    assert result.shape == (1, 2)
    torch.testing.assert_close(result[0], weights @ contexts)


@pytest.mark.parametrize("name", ["multi_head", "double_multi_head"])
def test_heads_must_divide_the_width(name):
    with pytest.raises(ValueError, match="heads=3 do not divide the width 8"):
        POOLINGS[name](8, heads=3)


@pytest.mark.parametrize("name", POOLINGS)
def test_never_looks_at_what_is_masked(name):
    torch.manual_seed(0)
    pooling = POOLINGS[name](8)
    x = torch.randn(3, 5, 8)
    for spoil in (1e4, float("nan")):
        torch.testing.assert_close(pooling(x, MASK), pooling(x.masked_fill(~MASK[..., None], spoil), MASK))


@pytest.mark.parametrize("name", POOLINGS)
def test_is_as_wide_as_it_says_and_the_same_alone_and_in_a_batch(name):
    torch.manual_seed(0)
    pooling = POOLINGS[name](8)
    x = torch.randn(3, 5, 8)
    together = pooling(x, MASK)
    assert together.shape == (3, pooling.width)
    alone = [pooling(x[k : k + 1, : MASK[k].sum()], MASK[k : k + 1, : MASK[k].sum()]) for k in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("name", POOLINGS)
def test_every_parameter_learns(name):
    torch.manual_seed(0)
    pooling = POOLINGS[name](8)
    x = torch.randn(3, 5, 8, requires_grad=True)
    pooling(x, MASK).square().sum().backward()
    assert x.grad[MASK].abs().max() > 0
    assert x.grad[~MASK].abs().max() == 0
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in pooling.parameters())
