"""A row's masks are the row's own: the same in any batch, on any process, in any order; other ones in each epoch."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from emospeech.data.audio import SAMPLE_RATE
from emospeech.data.examples.batching import MIXUP, Ticket, TrainingOrder
from emospeech.data.examples.dataset import Collate, UtteranceDataset, pad
from emospeech.encoders.finetuning.masking import Masking
from emospeech.encoders.finetuning.modes import mode
from emospeech.encoders.finetuning.tuning import sound, tune
from emospeech.encoders.masks import SeededMasks, drawn_by
from emospeech.encoders.spectrogram.cnn import LogMelCNN
from emospeech.encoders.spectrogram.specaugment import SpecAugment
from emospeech.encoders.speech import load_speech
from emospeech.models.classifier import EmotionNetwork

LENGTHS = [120, 90, 60, 40]
SEEDS = [5, 11, 2**62, 7]
MODULES = {"spectrogram": SpecAugment(2, 20, 2, 8), "transformer": Masking((0.4, 5, 1), (0.3, 3, 1))}


@pytest.fixture(params=MODULES)
def hidden(request):
    """(rows, their seeds) -> what is hidden of each of them, bool (its frames, 16)."""
    module = MODULES[request.param].train()
    values = torch.rand(4, 120, 16, generator=torch.Generator().manual_seed(0)) + 1

    def of(rows, seeds=SEEDS):
        mask = torch.arange(max(LENGTHS[row] for row in rows)) < torch.tensor([LENGTHS[row] for row in rows])[:, None]
        inputs = values[rows, : mask.shape[1]] * mask[..., None]
        with drawn_by([seeds[row] for row in rows], module):
            if isinstance(module, SpecAugment):
                out = module(inputs, mask)
            else:
                out = module(inputs, mask.sum(1).tolist(), range(len(rows)))
        return [(out[k] != inputs[k])[: LENGTHS[row]] for k, row in enumerate(rows)]

    return of


def test_one_batch_halves_and_another_order(hidden):
    whole = hidden([0, 1, 2, 3])
    assert all(one.any() for one in whole)
    halves = hidden([0, 1]) + hidden([2, 3])
    alone = [hidden([row])[0] for row in range(4)]
    order = [2, 0, 3, 1]
    shuffled = dict(zip(order, hidden(order), strict=True))
    for row, one in enumerate(whole):
        for other in (halves[row], alone[row], shuffled[row]):
            assert torch.equal(one, other)


def test_the_global_generator_neither_decides_nor_moves(hidden):
    torch.manual_seed(0)
    one, after = hidden([0, 1, 2, 3]), torch.rand(())
    torch.manual_seed(0)
    assert torch.rand(()) == after
    again = hidden([0, 1, 2, 3])
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))


def test_another_seed_hides_other_places(hidden):
    one, other = hidden([0, 1, 2, 3]), hidden([0, 1, 2, 3], [seed + 1 for seed in SEEDS])
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(params=["tiny_xlsr", "whisper", "w2v_bert"])
def windowed(request, tiny_xlsr, speech_checkpoint):
    """An encoder that trains and hears 0.8 s in two windows or more."""
    folder = tiny_xlsr if request.param == "tiny_xlsr" else speech_checkpoint(request.param)
    encoder = load_speech(str(folder))
    if request.param == "whisper":
        encoder._windows = lambda waveform: waveform.split(16 * encoder.frame)
    else:
        encoder = type(encoder)(encoder.model, encoder.preprocess.extractor, window=0.3)
    tune(encoder, mode("full", {}), sound(encoder, 3000))
    encoder.masking = Masking((0.5, 4, 1), (0.3, 2, 1)).train()
    return encoder


def test_windows_of_a_long_utterance_take_nothing_from_its_neighbours(windowed):
    """Each is heard as it is alone: the seeds go with the rows, in windows too."""
    rng = np.random.default_rng(0)
    clips = [
        torch.as_tensor(windowed.preprocess(0.1 * rng.standard_normal(count).astype(np.float32)))
        for count in (12_800, 4_000, 9_000, 3_200)
    ]

    def states(rows):
        with torch.no_grad(), drawn_by([SEEDS[row] for row in rows], windowed):
            found, mask = windowed(*pad([clips[row] for row in rows], 0.0))
        return [found[k][:, mask[k]] for k in range(len(rows))]

    with torch.no_grad():
        windowed.masking.eval()
        plain, _ = windowed(*pad(clips[:1], 0.0))
    windowed.masking.train()
    whole = states([3, 0, 2, 1])
    assert not torch.allclose(whole[1], plain[0], atol=1e-3)
    for row, one in zip([3, 0, 2, 1], whole, strict=True):
        torch.testing.assert_close(states([row])[0], one, rtol=0, atol=1e-4)


# -- from the order of training to the masks ---------------------------------------------------------------------


def seeds_of(tickets, seed=0):
    return [ticket.mask_seed(seed) for ticket in tickets]


def test_seeds_tell_rows_epochs_takes_and_trainings_apart():
    tickets = [Ticket(row, epoch, take=take) for row in range(5) for epoch in range(5) for take in range(3)]
    found = seeds_of(tickets) + seeds_of(tickets, seed=1)
    assert len(set(found)) == len(found)
    assert all(0 <= seed < 2**63 for seed in found)
    assert Ticket(3, 2, counts=False).mask_seed(0) == Ticket(3, 2).mask_seed(0)
    draws = [Ticket(3, 2).rng(0, *stream).integers(2**63) for stream in ((), (MIXUP,))]
    assert Ticket(3, 2).mask_seed(0) not in draws


@pytest.mark.parametrize(("processes", "accumulation"), [(2, 1), (1, 3), (2, 2)])
def test_any_share_of_a_step_has_the_seeds_of_the_whole(processes, accumulation):
    weights = [0.5, 2.5] * 5

    def seeds(world, micro):
        orders = [TrainingOrder(10, 4, 7, rank, world, micro, 0, 8, weights) for rank in range(world)]
        return sorted(seed for order in orders for part in order for seed in seeds_of(t for t in part if t.counts))

    assert seeds(processes, accumulation) == seeds(1, 1)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    for row in range(4):
        noise = 0.1 * np.random.default_rng(row).standard_normal(6000 + 900 * row)
        soundfile.write(folder / f"{row}.wav", noise, SAMPLE_RATE, subtype="FLOAT")
    return pd.DataFrame({"audio": [str(folder / f"{row}.wav") for row in range(4)], "label": list("abab")})


def pretrained(folder):
    encoder = load_speech(str(folder))
    tune(encoder, mode("full", {}), sound(encoder), spec_augment=True)
    encoder.masking.time = 0.5, 2, 1  # the clips have few frames
    return encoder


@pytest.mark.parametrize("scratch", [True, False])
def test_a_network_hears_a_row_masked_alike_in_any_batch(scratch, tones, tiny_xlsr):
    """Nothing but the masks is in training mode: no dropout, nor statistics of a batch."""
    torch.manual_seed(0)
    options = {"width": 8, "bands": 16, "channels": [4], "dropout": 0.0, "time_masks": 2, "frequency_masks": 2}
    encoder = LogMelCNN(**options) if scratch else pretrained(tiny_xlsr)
    network = EmotionNetwork(torch.nn.Identity(), encoder).train()
    for module in encoder.modules():
        module.training = isinstance(module, SeededMasks)
    data = UtteranceDataset(tones, encoder.preprocess, labels={"label": ["a", "b"]}, seed=3)

    def states(tickets):
        with torch.no_grad():
            features = network.features(Collate()([data[ticket] for ticket in tickets]))
        return [features.speech[k, 0, features.speech_mask[k]] for k in range(len(tickets))]

    first = [Ticket(row, 0) for row in range(4)]
    whole = states(first)
    for row, one in enumerate(states(first[:2]) + states(first[2:])):
        torch.testing.assert_close(one, whole[row], rtol=0, atol=1e-5)
    for one, other in zip(states(first[::-1]), whole[::-1], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    later = states([Ticket(row, 1) for row in range(4)])
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(later, whole, strict=True))
    network.eval()
    assert all(torch.equal(a, b) for a, b in zip(states(first), states([Ticket(k, 1) for k in range(4)]), strict=True))
