"""Fusions against hand-computed numbers, and laws that hold for all of them."""

import pytest
import torch

from emospeech.models.fusion import FUSIONS, GatedFusion, LateFusion, PooledAttentionFusion, SequenceFusion
from emospeech.models.pooling import MeanPooling, StatisticsPooling
from emospeech.models.streams import ModalityDropout, StreamPooling, present

WIDTHS = {"speech": 8, "text": 4}


def mean(width):
    return StreamPooling(MeanPooling(width))


def streams(lengths=((5, 3), (3, 1), (1, 4), (5, 0), (0, 2))):
    """Random streams of the given numbers of frames and tokens; 0: the modality is absent."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for k, (name, width) in enumerate(WIDTHS.items()):
        counts = torch.tensor([pair[k] for pair in lengths])
        longest = int(counts.max())
        x = torch.randn(len(lengths), longest, width, generator=generator)
        found[name] = x, torch.arange(longest) < counts[:, None]
    return found


def changed(given, change):
    return {name: (x.masked_fill(~mask[..., None], change), mask) for name, (x, mask) in given.items()}


def one(given, row):
    """A row alone, cut to its own lengths; an absent modality keeps one masked position."""
    cut = {name: max(int(mask[row].sum()), 1) for name, (_, mask) in given.items()}
    return {n: (x[row : row + 1, : cut[n]], mask[row : row + 1, : cut[n]]) for n, (x, mask) in given.items()}


@pytest.fixture(params=FUSIONS)
def fusion(request):
    torch.manual_seed(0)
    return FUSIONS[request.param](WIDTHS, lambda width: StreamPooling(StatisticsPooling(width))).eval()


def test_gives_the_vectors_it_names(fusion):
    vectors = fusion(streams())
    assert {name: vector.shape[1] for name, vector in vectors.items()} == fusion.widths


def test_masked_positions_change_nothing(fusion):
    given = streams()
    for name, vector in fusion(given).items():
        torch.testing.assert_close(vector, fusion(changed(given, 1e4))[name])


def test_a_batch_is_its_rows_one_by_one(fusion):
    given = streams()
    for name, vector in fusion(given).items():
        alone = torch.cat([fusion(one(given, row))[name] for row in range(len(vector))])
        torch.testing.assert_close(vector, alone)


def test_an_absent_modality_leaves_no_trace(fusion):
    given = streams(((4, 0),))
    other = {"speech": given["speech"], "text": (torch.randn(1, 7, 4), torch.zeros(1, 7, dtype=torch.bool))}
    for name, vector in fusion(given | {"text": one(other, 0)["text"]}).items():
        assert torch.isfinite(vector).all()
        torch.testing.assert_close(vector, fusion(other)[name])


def test_an_utterance_without_any_modality_spoils_no_other(fusion):
    given = streams(((4, 2), (0, 0), (3, 0)))
    for name, vector in fusion(given).items():
        assert torch.isfinite(vector).all()
        torch.testing.assert_close(vector[[0]], fusion(one(given, 0))[name])


def test_no_gradient_reaches_what_is_masked_and_some_reaches_all_else(fusion):
    given = {name: (x.requires_grad_(), mask) for name, (x, mask) in streams().items()}
    sum(vector.square().sum() for vector in fusion(given).values()).backward()
    for x, mask in given.values():
        assert x.grad[mask].abs().sum(dim=1).min() > 0
        assert x.grad[~mask].abs().max() == 0
    if "vote" not in dir(fusion):
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in fusion.parameters())


def test_sequence_lays_speech_before_text():
    fusion = SequenceFusion({"speech": 2, "text": 2}, mean)
    x, mask = fusion.joined(
        {
            "speech": (torch.ones(1, 2, 2), torch.tensor([[True, False]])),
            "text": (2 * torch.ones(1, 1, 2), torch.tensor([[True]])),
        }
    )
    assert x[0, :, 0].tolist() == [1.0, 1.0, 2.0]
    assert mask.tolist() == [[True, False, True]]
    assert not list(fusion.parameters()), "equal widths need no projection"
    assert SequenceFusion({"speech": 2, "text": 6}, mean).widths == {"joint": 6}


def test_gates_by_hand():
    fusion = GatedFusion({"speech": 1, "text": 1}, mean)
    for name, weight in (("speech", 1.0), ("text", 2.0)):
        fusion.hidden[name].weight.data = torch.tensor([[weight]])
        fusion.hidden[name].bias.data.zero_()
    fusion.gates["speech"].weight.data = torch.tensor([[1.0, 1.0]])
    fusion.gates["text"].weight.data = torch.tensor([[0.0, 0.0]])
    given = {
        name: (torch.full((2, 1, 1), value), torch.tensor([[True], [name == "speech"]]))
        for name, value in (("speech", 0.5), ("text", 0.25))
    }
    z = torch.sigmoid(torch.tensor(0.75))
    expected = z * torch.tanh(torch.tensor(0.5)) + (1 - z) * torch.tanh(torch.tensor(0.5))
    torch.testing.assert_close(fusion(given)["joint"][0, 0], expected)
    torch.testing.assert_close(fusion(given)["joint"][1, 0], torch.tanh(torch.tensor(0.5)))  # speech alone


def test_pooled_attention_weighs_the_two_vectors():
    fusion = PooledAttentionFusion({"speech": 1, "text": 1}, mean)
    fusion.attention.query.data = torch.tensor([1.0])
    given = {
        "speech": (torch.zeros(1, 1, 1), torch.tensor([[True]])),
        "text": (torch.log(torch.tensor([[[3.0]]])), torch.tensor([[True]])),
    }
    assert fusion(given)["joint"].item() == pytest.approx(0.75 * torch.log(torch.tensor(3.0)).item())


def test_cross_attention_looks_at_the_other_modality():
    torch.manual_seed(0)
    fusion = FUSIONS["cross_attention"](WIDTHS, mean, heads=2).eval()
    given = streams(((4, 3),))
    before = fusion.enriched(given, "speech")
    x, mask = given["text"]
    after = fusion.enriched(given | {"text": (x + 1, mask)}, "speech")
    assert (before - after).abs().max() > 1e-3
    with pytest.raises(ValueError, match=r"heads=3 do not divide the width of speech \(8\), text \(4\)"):
        FUSIONS["cross_attention"](WIDTHS, mean, heads=3)


@pytest.mark.parametrize("weights", ["average", "learned"])
def test_late_votes_of_the_modalities_that_are_there(weights):
    fusion = LateFusion(WIDTHS, mean, weights=weights)
    logits = {"speech": torch.tensor([[2.0, 0.0], [2.0, 0.0]]), "text": torch.tensor([[0.0, 4.0], [0.0, 4.0]])}
    there = torch.tensor([[True, True], [False, True]])
    torch.testing.assert_close(fusion.vote(logits, there), torch.tensor([[1.0, 2.0], [0.0, 4.0]]))
    if weights == "learned":
        fusion.scores.data = torch.log(torch.tensor([3.0, 1.0]))
        torch.testing.assert_close(fusion.vote(logits, there), torch.tensor([[1.5, 1.0], [0.0, 4.0]]))
        fusion.vote(logits, there).sum().backward()
        assert fusion.scores.grad.abs().max() > 0


def test_modality_dropout_takes_one_of_two_and_never_the_last():
    torch.manual_seed(0)
    given = streams(((2, 2), (2, 0)) * 2000)
    dropped = present(ModalityDropout(0.3)(given))
    both, single = dropped[0::2], dropped[1::2]
    assert both.any(dim=1).all()
    assert (single == torch.tensor([True, False])).all()
    lost = (~both).double().mean(dim=0)
    assert lost.tolist() == pytest.approx([0.15, 0.15], abs=0.03)
    evaluated = present(ModalityDropout(0.3).eval()(given))
    assert torch.equal(evaluated, present(given))
