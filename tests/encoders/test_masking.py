"""What training hides from a transformer: spans of time and width, whole blocks."""

import copy

import numpy as np
import pytest
import torch

from emospeech.encoders.finetuning import layerdrop
from emospeech.encoders.finetuning.masking import Masking, spans
from emospeech.encoders.masks import drawn_by


def generators(count, first=0):
    return [torch.Generator().manual_seed(first + k) for k in range(count)]


def test_spans_by_hand():
    """0.5 of 20 steps in spans of 5 are 2, of 4 steps none, as they have no room; of 12 with a least of 3: 2 fit."""
    hidden = spans(generators(3), [20, 4, 12], 20, 0.5, 5, 0)
    assert hidden.shape == (3, 20)
    assert 6 <= hidden[0].sum() <= 10
    assert hidden[1].sum() == 0
    assert 5 <= hidden[2].sum() <= 10
    assert not hidden[2, 12:].any()
    assert 5 < spans(generators(1), [12], 12, 0.0, 5, 3).sum() <= 10


def test_spans_cover_what_they_should():
    """1000 rows: on average 0.31 * 40 / 4 = 3.1 spans; their starts are drawn evenly."""
    hidden = spans(generators(1000), [40] * 1000, 40, 0.31, 4, 0)
    covered = hidden.float().mean()
    assert 0.24 < covered < 0.31  # spans overlap
    inner = hidden.float().mean(0)[4:-4]
    assert (inner - inner.mean()).abs().max() < 0.06


def test_masks_are_as_transformers_draws_them():
    from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

    lengths, share, span = [200, 120, 60], 0.3, 10
    np.random.seed(0)  # noqa: NPY002, theirs draws from it
    attention = torch.arange(200) < torch.tensor(lengths)[:, None]
    drawn = [spans(generators(3, first), lengths, 200, share, span, 2) for first in range(0, 900, 3)]
    ours = torch.stack(drawn).float().sum(2).mean(0)
    theirs = [_compute_mask_indices((3, 200), share, span, attention, 2).sum(1) for _ in range(300)]
    np.testing.assert_allclose(ours, np.mean(theirs, axis=0), rtol=0.08)


def test_masks_in_training_alone_and_by_the_rows_seeds():
    masking, inputs = Masking((0.5, 4, 1), (0.5, 2, 1)), torch.randn(2, 30, 8)
    fill = torch.full((8,), 7.0, requires_grad=True)

    def hidden(*seeds):
        with drawn_by(seeds, masking):
            return masking(inputs, [30, 20], [0, 1], fill)

    one = hidden(1, 2)
    assert torch.equal(hidden(1, 2), one)
    other = hidden(1, 3)
    assert torch.equal(other[0], one[0])
    assert not torch.equal(other[1], one[1])
    assert (one == 7).any()
    assert torch.equal(one[1, 20:][one[1, 20:] != 0], inputs[1, 20:][one[1, 20:] != 0])
    one.sum().backward()
    with pytest.raises(RuntimeError, match="by the seeds of a batch's rows, and none were given"):
        masking(inputs, [30, 20], [0, 1], fill)
    assert masking.eval()(inputs, [30, 20], [0, 1], fill) is inputs


def test_a_dropped_block_gives_what_it_takes_in_and_zero_gradients():
    torch.manual_seed(0)
    block = torch.nn.Linear(3, 3)
    plain = copy.deepcopy(block)
    layerdrop.drop_in_place([block], 0.5)
    hidden, dropped = torch.randn(1, 3), 0
    for _ in range(200):
        block.zero_grad()
        out = block(hidden)
        out.sum().backward()
        if torch.equal(out, hidden):
            dropped += 1
            assert block.weight.grad.abs().sum() == 0
        else:
            torch.testing.assert_close(out, plain(hidden))
    assert 75 < dropped < 125
    block.eval()
    assert all(torch.equal(block(hidden), plain(hidden)) for _ in range(20))
