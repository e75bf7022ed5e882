"""The classifier and the whole network: what trains, what is saved, and that padding never reaches a gradient."""

import pytest
import torch

from emospeech.config import Model
from emospeech.data.examples.dataset import Batch
from emospeech.encoders.features import Features
from emospeech.models.build import build_classifier
from emospeech.models.classifier import EmotionNetwork
from emospeech.models.fusion import FUSIONS
from emospeech.models.heads import MLPHead
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS

TASKS = {"label": ["a", "b"]}
NO_HIDDEN = {"head": {"blocks": 0}}


def build(speech=None, text=None, tasks=TASKS, **model):
    return build_classifier(Model.model_validate(model), tasks, speech, text)


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
    network = EmotionNetwork(build(text=4, **NO_HIDDEN), None, FakeEncoder(frozen)).train()
    ids = torch.ones(2, 3, dtype=torch.long)
    batch = Batch(torch.arange(2), None, None, ids, ids.bool(), {})
    assert network.features(batch).text.requires_grad is not frozen
    assert network.text.training is not frozen
    assert any(key.startswith("text.") for key in network.trained_state()) is not frozen
    network(batch)["label"].sum().backward()


def test_an_utterance_without_text_is_masked_throughout():
    network = EmotionNetwork(build(text=4), None, FakeEncoder(True)).eval()
    ids = torch.ones(2, 3, dtype=torch.long)
    batch = Batch(torch.arange(2), None, None, ids, ids.bool(), {}, has_text=torch.tensor([True, False]))
    assert network.features(batch).text_mask.tolist() == [[True] * 3, [False] * 3]


def test_trained_state_must_fit():
    def network(width):
        tasks = {"label": [str(k) for k in range(width)]}
        return EmotionNetwork(build(text=4, tasks=tasks, **NO_HIDDEN), None, FakeEncoder(True))

    one, other = network(2), network(2)
    other.load_trained_state(one.trained_state())
    torch.testing.assert_close(other.classifier.state_dict(), one.classifier.state_dict())
    with pytest.raises(ValueError, match=r"heads\.label\.joint\.out"):
        network(3).load_trained_state(one.trained_state())


def features(requires_grad=False, lengths=((6, 3), (2, 4), (1, 1))):
    generator = torch.Generator().manual_seed(0)
    frames, tokens = (torch.tensor([pair[k] for pair in lengths]) for k in (0, 1))
    speech = torch.randn(len(lengths), 2, int(frames.max()), 8, generator=generator, requires_grad=requires_grad)
    text = torch.randn(len(lengths), int(tokens.max()), 4, generator=generator, requires_grad=requires_grad)
    return Features(
        speech, torch.arange(speech.shape[2]) < frames[:, None], text, torch.arange(text.shape[1]) < tokens[:, None]
    )


@pytest.mark.parametrize("mixer", [None, *MIXERS])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_combination_trains_and_gives_the_same_alone_and_in_a_batch(fusion, pooling, mixer):
    torch.manual_seed(0)
    classifier = build((2, 8), 4, fusion=fusion, pooling=pooling, mixer=mixer, modality_dropout=0.5)
    given = features(requires_grad=True)
    classifier.train()(given)["label"].square().sum().backward()
    assert given.speech.grad.transpose(1, 2)[~given.speech_mask].abs().max() == 0
    assert given.text.grad[~given.text_mask].abs().max() == 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in classifier.parameters())
    with torch.no_grad():
        together = classifier.eval()(given)["label"]
        for row in range(3):
            frames, tokens = int(given.speech_mask[row].sum()), int(given.text_mask[row].sum())
            alone = Features(
                given.speech[row : row + 1, :, :frames],
                given.speech_mask[row : row + 1, :frames],
                given.text[row : row + 1, :tokens],
                given.text_mask[row : row + 1, :tokens],
            )
            torch.testing.assert_close(classifier(alone)["label"], together[row : row + 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_with_one_modality_every_fusion_is_that_stream_pooled(fusion):
    alone = build((2, 8), None, fusion=fusion)
    assert {key for key in alone.state_dict() if key.startswith("fusion")} == {"fusion.pool.pooling.query"}


def test_options_reach_the_parts():
    model = build((1, 8), 4, fusion={"name": "late", "weights": "learned"}, pooling={"name": "multi_head", "heads": 2})
    assert model.fusion.scores.shape == (2,)
    assert model.fusion.pools["speech"].pooling.heads == 2
    with pytest.raises(ValueError, match="heads=3"):
        build((1, 8), 4, pooling={"name": "multi_head", "heads": 3})


@pytest.mark.parametrize("fusion", FUSIONS)
def test_further_tasks_have_heads_of_their_own(fusion):
    model = build((2, 8), 4, tasks={"label": ["a", "b"], "gender": ["f", "m", "x"]}, fusion=fusion)
    assert {task: tuple(logits.shape) for task, logits in model(features()).items()} == {
        "label": (3, 2),
        "gender": (3, 3),
    }
