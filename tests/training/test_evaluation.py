"""Prediction over batches: memory that is short costs time, not the prediction."""

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from emospeech.data.examples.dataset import Batch
from emospeech.encoders.features import Features, PackedStates
from emospeech.encoders.store.dataset import StoredBatch
from emospeech.encoders.store.packed import Packed
from emospeech.training import evaluation


class Small(nn.Module):
    """Sums an utterance; has memory for two at a time."""

    def forward(self, batch):
        if len(batch.rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if isinstance(batch, StoredBatch):
            sums = torch.stack([one.states().sum() for one in batch.stored.speech.utterances])
            assert batch.stored.speech_mask.sum().item() == sum(u.frames for u in batch.stored.speech.utterances)
        else:
            sums = (batch.speech * batch.speech_mask).sum(1)
        return {"label": torch.stack([sums, -sums], dim=1)}


def waveforms():
    mask = torch.arange(4) < torch.tensor([[4], [1], [2], [3], [4]])
    return Batch(torch.arange(5), torch.full((5, 4), 0.1), mask, None, None, {"label": torch.zeros(5)})


def stored():
    utterances = tuple(Packed(torch.full((1, n, 1), 0.1)) for n in (4, 1, 2, 3, 4))
    states = PackedStates(utterances)
    return StoredBatch(torch.arange(5), None, None, None, None, {}, stored=Features(states, states.mask(), None, None))


@pytest.mark.parametrize("make", [waveforms, stored])
def test_a_batch_too_large_for_memory_goes_through_in_parts(make):
    found = evaluation.predict(Small(), [make()], Accelerator(cpu=True))["label"]
    expected = torch.softmax(torch.tensor([[0.1 * n, -0.1 * n] for n in (4, 1, 2, 3, 4)], dtype=torch.double), dim=1)
    torch.testing.assert_close(torch.stack([found[k] for k in range(5)]), expected, rtol=0, atol=1e-6)


def test_one_utterance_that_does_not_fit_is_an_error():
    class Full(nn.Module):
        def forward(self, batch):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        evaluation.predict(Full(), [waveforms()], Accelerator(cpu=True))
