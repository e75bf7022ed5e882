"""What poolings and fusions tell of each position's share, against hand-computed numbers and their own results."""

import pytest
import torch

from emospeech.models.fusion import FUSIONS
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import (
    POOLINGS,
    DoubleMultiHeadAttentionPooling,
    MaxPooling,
    MultiHeadAttentionPooling,
)
from emospeech.models.streams import StreamPooling

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()
WIDTHS = {"speech": 8, "text": 4}


@pytest.fixture(params=POOLINGS)
def pooling(request):
    torch.manual_seed(0)
    return POOLINGS[request.param](8).eval()


def test_weights_sum_to_one_and_padding_has_none(pooling):
    x = torch.randn(3, 5, 8)
    weights = pooling.weights(x, MASK)
    assert weights.shape == MASK.shape
    assert (weights[~MASK] == 0).all()
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    torch.testing.assert_close(pooling.weights(x.masked_fill(~MASK[..., None], float("nan")), MASK), weights)
    alone = pooling.weights(x[1:2, :3], MASK[1:2, :3])
    torch.testing.assert_close(alone, weights[1:2, :3])


@pytest.mark.parametrize("name", ["attention", "mean"])
def test_the_sum_under_the_weights_is_the_vector(name):
    pooling, x = POOLINGS[name](8), torch.randn(3, 5, 8)
    torch.testing.assert_close(torch.einsum("bt,btd->bd", pooling.weights(x, MASK), x), pooling(x, MASK))


def test_of_several_heads_each_pools_under_its_own():
    pooling, x = MultiHeadAttentionPooling(8, heads=2), torch.randn(3, 5, 8)
    by_head = pooling.by_head(x, MASK)
    summed = torch.einsum("bth,bthd->bhd", by_head, x.unflatten(-1, (2, 4)))
    torch.testing.assert_close(summed.flatten(1), pooling(x, MASK))
    torch.testing.assert_close(pooling.weights(x, MASK), by_head.mean(dim=2))


def test_double_attention_weighs_its_heads():
    pooling, x = DoubleMultiHeadAttentionPooling(8, heads=2), torch.randn(1, 5, 8)
    contexts = pooling.heads.contexts(x, MASK[:1])[0]
    of_heads = torch.softmax(contexts @ pooling.over_heads.query, 0)
    expected = (pooling.heads.by_head(x, MASK[:1])[0] * of_heads).sum(dim=1)
    torch.testing.assert_close(pooling.weights(x, MASK[:1])[0], expected)


def test_attentive_statistics_tell_the_mean_over_dimensions():
    pooling, x = POOLINGS["attentive_statistics"](8), torch.randn(1, 4, 8)
    expected = torch.softmax(pooling.scores(x), dim=1).mean(dim=2)
    torch.testing.assert_close(pooling.weights(x, MASK[:1, :4]), expected)


def test_max_counts_the_dimensions_whose_largest_is_there():
    x = torch.tensor([[[1.0, 9.0, 0.0, 0.0], [2.0, 8.0, 5.0, -1.0], [99.0, 99.0, 99.0, 99.0]]])
    weights = MaxPooling(4).weights(x, torch.tensor([[True, True, False]]))
    assert weights.tolist() == [[0.5, 0.5, 0.0]]


def streams(lengths=((5, 3), (3, 1), (1, 4), (5, 0), (0, 2), (0, 0))):
    """Random streams of so many frames and tokens; 0: the modality is absent."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for k, (name, width) in enumerate(WIDTHS.items()):
        counts = torch.tensor([pair[k] for pair in lengths])
        x = torch.randn(len(lengths), 5, width, generator=generator)
        found[name] = x, torch.arange(5) < counts[:, None]
    return found


@pytest.mark.parametrize("mixer", [None, *MIXERS])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", FUSIONS)
def test_shares_of_every_fusion_with_every_pooling(name, pooling, mixer):
    torch.manual_seed(0)

    def pool(width):
        return StreamPooling(POOLINGS[pooling](width), MIXERS[mixer](width) if mixer else None)

    fusion, given = FUSIONS[name](WIDTHS, pool).eval(), streams()
    shares = fusion.shares(given)
    assert list(shares) == list(WIDTHS)
    together = torch.cat(list(shares.values()), dim=1)
    masks = torch.cat([mask for _, mask in given.values()], dim=1)
    torch.testing.assert_close(together.sum(dim=1), torch.tensor([1.0, 1, 1, 1, 1, 0]))
    assert (together[~masks] == 0).all()
    assert (together >= 0).all()
    spoiled = {of: (x.masked_fill(~mask[..., None], 1e4), mask) for of, (x, mask) in given.items()}
    torch.testing.assert_close(torch.cat(list(fusion.shares(spoiled).values()), dim=1), together)
    backwards = fusion.shares({of: (x.flip(0), mask.flip(0)) for of, (x, mask) in given.items()})
    torch.testing.assert_close(torch.cat(list(backwards.values()), dim=1).flip(0), together)


def taken(fusion, given):
    """How much of each modality (B, modalities)."""
    return torch.stack([weights.sum(dim=1) for weights in fusion.shares(given).values()], dim=1)


def mean(width):
    return StreamPooling(POOLINGS["mean"](width))


def test_sequence_takes_by_position():
    assert taken(FUSIONS["sequence"](WIDTHS, mean), streams(((5, 3),)))[0].tolist() == pytest.approx([5 / 8, 3 / 8])


@pytest.mark.parametrize("name", ["concat", "cross_attention", "late"])
def test_without_a_word_of_the_fusion_all_modalities_count_the_same(name):
    found = taken(FUSIONS[name](WIDTHS, mean).eval(), streams(((5, 3), (2, 0), (0, 4))))
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5], [1, 0], [0, 1]]))


def test_late_fusion_takes_by_its_votes():
    fusion = FUSIONS["late"](WIDTHS, mean, weights="learned")
    fusion.scores.data = torch.tensor([3.0, 1.0]).log()
    torch.testing.assert_close(taken(fusion, streams(((5, 3), (0, 2)))), torch.tensor([[0.75, 0.25], [0, 1]]))


def test_gated_fusion_takes_by_the_mean_gate():
    fusion, given = FUSIONS["gated"](WIDTHS, mean), streams(((5, 3),))
    together = torch.cat([x[mask[0][None]].mean(dim=0) for x, mask in given.values()])
    scores = torch.stack([fusion.gates[name](together) for name in WIDTHS])
    torch.testing.assert_close(taken(fusion, given)[0], torch.softmax(scores, dim=0).mean(dim=1))


def test_pooled_attention_takes_by_its_attention():
    fusion, given = FUSIONS["pooled_attention"](WIDTHS, mean), streams(((5, 3),))
    vectors = [fusion.project[name](x[0][mask[0]].mean(dim=0)) for name, (x, mask) in given.items()]
    expected = torch.softmax(torch.stack(vectors) @ fusion.attention.query, dim=0)
    torch.testing.assert_close(taken(fusion, given)[0], expected)


def test_a_pooling_without_weights_says_so():
    class Last(torch.nn.Module):
        width = 8

    assert not StreamPooling(Last()).weighs
    assert StreamPooling(POOLINGS["max"](8)).weighs
