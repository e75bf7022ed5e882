"""Pooling, mixing, fusion and heads against hand-computed numbers."""

import pytest
import torch

from emospeech.data.dataset import Batch
from emospeech.encoders.features import Features
from emospeech.models.classifier import Classifier, EmotionNetwork
from emospeech.models.fusion import SequenceFusion
from emospeech.models.heads import MLPHead
from emospeech.models.mixing import LayerMix, MultiHeadMixer
from emospeech.models.pooling import POOLINGS, AttentionPooling, MeanPooling


def test_attention_pooling_by_hand():
    pooling = AttentionPooling(2)
    pooling.query.data = torch.tensor([1.0, 0.0])
    x = torch.tensor([[[0.0, 5.0], [torch.log(torch.tensor(3.0)), 1.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False]])
    torch.testing.assert_close(pooling.weights(x, mask), torch.tensor([[0.25, 0.75, 0.0]]))
    torch.testing.assert_close(pooling(x, mask)[0, 1], torch.tensor(0.25 * 5 + 0.75 * 1))


def test_mean_pooling_by_hand():
    x = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, float("nan")]]])
    assert MeanPooling(2)(x, torch.tensor([[True, True, False]])).tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_never_looks_at_what_is_masked(name):
    torch.manual_seed(0)
    pooling = POOLINGS[name](8)
    x, mask = torch.randn(3, 5, 8), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()
    spoiled = x.masked_fill(~mask[..., None], 1e4)
    torch.testing.assert_close(pooling(x, mask), pooling(spoiled, mask))


def test_layer_mix_by_hand():
    mix = LayerMix(2)
    assert mix.weights.tolist() == [0.5, 0.5]
    mix.weights.data = torch.tensor([2.0, -1.0])
    states = torch.tensor([[[[1.0]], [[10.0]]]])  # (B, layers, time, D) = (1, 2, 1, 1)
    assert mix(states).tolist() == [[[-8.0]]]
    assert LayerMix(1).weights is None


def test_mixer_by_hand():
    mixer = MultiHeadMixer(1, heads=2)
    for linear, values in ((mixer.query, [[1.0], [0.0]]), (mixer.key, [[1.0], [1.0]]), (mixer.value, [[1.0], [2.0]])):
        linear.weight.data = torch.tensor(values)
    mixer.out.weight.data = torch.tensor([[1.0, 10.0]])
    x = torch.tensor([[[0.0], [1.0]]])
    # second position; head 0: scores 0 and 1, so e / (1 + e) falls on value 1; head 1: even weights on values 0 and 2
    e = torch.e
    assert mixer(x, torch.ones(1, 2, dtype=torch.bool))[0, 1].item() == pytest.approx(e / (1 + e) + 10.0)


def test_sequence_fusion_lays_speech_before_text():
    fusion = SequenceFusion(2, 2)
    x, mask = fusion(
        torch.ones(1, 2, 2), torch.tensor([[True, False]]), 2 * torch.ones(1, 1, 2), torch.tensor([[True]])
    )
    assert x[0, :, 0].tolist() == [1.0, 1.0, 2.0]
    assert mask.tolist() == [[True, False, True]]
    assert not list(fusion.parameters()), "equal widths need no projection"
    assert SequenceFusion(2, 6).width == 6


def test_head_has_the_blocks_it_was_asked_for():
    head = MLPHead(4, classes=3, blocks=2, hidden=5)
    shapes = [tuple(parameter.shape) for parameter in head.parameters() if parameter.ndim == 2]
    assert shapes == [(5, 4), (5, 5), (3, 5)]


class FakeEncoder(torch.nn.Module):
    def __init__(self, frozen):
        super().__init__()
        self.frozen, self.linear = frozen, torch.nn.Linear(1, 4)
        self.requires_grad_(not frozen)

    def forward(self, tokens, mask):
        return self.linear(tokens[..., None].float()), mask


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_encoders_build_no_graph_and_are_left_out_of_checkpoints(frozen):
    classifier = Classifier(SequenceFusion(None, 4), MeanPooling(4), {"label": MLPHead(4, 2, 0)}, text_width=4)
    network = EmotionNetwork(classifier, None, FakeEncoder(frozen)).train()
    ids = torch.ones(2, 3, dtype=torch.long)
    batch = Batch(torch.arange(2), None, None, ids, ids.bool(), {})
    assert network.features(batch).text.requires_grad is not frozen
    assert network.text.training is not frozen
    assert any(key.startswith("text.") for key in network.trained_state()) is not frozen
    network(batch)["label"].sum().backward()


def test_trained_state_must_fit():
    def network(width):
        classifier = Classifier(SequenceFusion(None, 4), MeanPooling(4), {"label": MLPHead(4, width, 0)}, text_width=4)
        return EmotionNetwork(classifier, None, FakeEncoder(True))

    one, other = network(2), network(2)
    other.load_trained_state(one.trained_state())
    torch.testing.assert_close(other.classifier.state_dict(), one.classifier.state_dict())
    with pytest.raises(ValueError, match=r"heads\.label\.out"):
        network(3).load_trained_state(one.trained_state())


def test_padding_never_reaches_the_gradient():
    """A masked position gets no gradient, so training does not see padding either."""
    torch.manual_seed(0)
    classifier = Classifier(
        SequenceFusion(None, 4),
        AttentionPooling(4),
        {"label": MLPHead(4, 2, 1)},
        text_width=4,
        mixer=MultiHeadMixer(4, heads=2),
    )
    text = torch.randn(2, 3, 4, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    classifier(Features(None, None, text, mask))["label"].sum().backward()
    assert text.grad[mask].abs().min() > 0
    assert text.grad[~mask].abs().max() == 0
