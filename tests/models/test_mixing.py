"""Mixing over layers and over time against hand-computed numbers."""

import pytest
import torch

from emospeech.models.mixing import MIXERS, FullWidthHeadsMixer, LayerMix, MultiHeadMixer, SelfAttentionMixer

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()


def test_layer_mix_by_hand():
    mix = LayerMix(2)
    assert mix.weights.tolist() == [0.5, 0.5]
    mix.weights.data = torch.tensor([2.0, -1.0])
    states = torch.tensor([[[[1.0]], [[10.0]]]])  # (B, layers, time, D) = (1, 2, 1, 1)
    assert mix(states).tolist() == [[[-8.0]]]
    assert LayerMix(1).weights is None


def test_full_width_heads_by_hand():
    mixer = FullWidthHeadsMixer(1, heads=2)
    for linear, values in ((mixer.query, [[1.0], [0.0]]), (mixer.key, [[1.0], [1.0]]), (mixer.value, [[1.0], [2.0]])):
        linear.weight.data = torch.tensor(values)
    mixer.out.weight.data = torch.tensor([[1.0, 10.0]])
    x = torch.tensor([[[0.0], [1.0]]])
    # second position; head 0: scores 0 and 1, so e / (1 + e) falls on value 1; head 1: even weights on values 0 and 2
    e = torch.e
    assert mixer(x, torch.ones(1, 2, dtype=torch.bool))[0, 1].item() == pytest.approx(e / (1 + e) + 10.0)


def test_self_attention_has_no_parameter():
    mixer = SelfAttentionMixer(1)
    assert not list(mixer.parameters())
    x = torch.tensor([[[0.0], [1.0], [77.0]]])
    mixed = mixer(x, torch.tensor([[True, True, False]]))
    # from 0 both look alike; from 1 the scores are 0 and 1
    assert mixed[0, :2, 0].tolist() == pytest.approx([0.5, torch.e / (1 + torch.e)])


def test_multi_head_with_one_head_is_full_width_heads():
    torch.manual_seed(0)
    one, other = MultiHeadMixer(4, heads=1), FullWidthHeadsMixer(4)
    query, key, value = one.attention.in_proj_weight.data.chunk(3)
    other.query.weight.data, other.key.weight.data, other.value.weight.data = query, key, value
    other.out.weight.data = one.attention.out_proj.weight.data
    x = torch.randn(3, 5, 4)
    torch.testing.assert_close(one(x, MASK)[MASK], other(x, MASK)[MASK])


@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize("training", [True, False])
def test_never_looks_at_what_is_masked(name, training):
    torch.manual_seed(0)
    mixer = MIXERS[name](8).train(training)
    x = torch.randn(3, 5, 8)
    with torch.set_grad_enabled(training):  # torch has another path without gradients
        plain, spoiled = mixer(x, MASK), mixer(x.masked_fill(~MASK[..., None], 1e4), MASK)
        alone = [mixer(x[k : k + 1, : MASK[k].sum()], MASK[k : k + 1, : MASK[k].sum()])[0] for k in range(3)]
    torch.testing.assert_close(plain[MASK], spoiled[MASK])
    torch.testing.assert_close(plain[MASK], torch.cat(alone))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads=3 do not divide the width 8"):
        MultiHeadMixer(8, heads=3)
    with pytest.raises(ValueError, match="heads should be 1 or more"):
        FullWidthHeadsMixer(8, heads=0)
