"""Rows to examples to batches: crops, tokens, targets, padding, masks."""

import pickle

import numpy as np
import pytest
import soundfile
import torch

from emospeech.data import manifest
from emospeech.data.audio import SAMPLE_RATE as RATE
from emospeech.data.examples.augment import EFFECTS, Augmenter, One
from emospeech.data.examples.batching import Ticket
from emospeech.data.examples.dataset import UNLABELLED, Batch, Collate, Example, UtteranceDataset, pad

LABELS = {"label": ["joy", "fear"]}


class Characters:
    """A tokenizer: the code of each letter."""

    pad_id = 7

    def __call__(self, text):
        return [ord(letter) for letter in text]


def as_it_is(waveform):
    return waveform


@pytest.fixture
def rows(tmp_path):
    """Three clips of 1000, 2000 and 4000 samples that hold their own sample numbers, and one without audio."""
    paths = []
    for count in (1000, 2000, 4000):
        paths.append(str(tmp_path / f"{count}.wav"))
        soundfile.write(paths[-1], np.arange(count) / 10_000, RATE, subtype="FLOAT")
    return manifest.make(
        id=list("abcd"),
        audio=[*paths, None],
        transcription=["sí", "no", "¡ja!", "NA"],
        label=["fear", "joy", None, "joy"],
    )


def test_an_example_holds_what_was_asked_for(rows):
    example = UtteranceDataset(rows, as_it_is, Characters(), LABELS)[Ticket(0, epoch=0)]
    assert example.row == 0
    np.testing.assert_allclose(example.speech, np.arange(1000) / 10_000)
    assert example.tokens == [ord("s"), ord("í")]
    assert example.labels == {"label": 1}


def test_modalities_that_are_not_asked_for_are_left_out(rows):
    assert UtteranceDataset(rows, tokenize=Characters())[Ticket(0, 0)].speech is None
    speech = UtteranceDataset(rows, preprocess=as_it_is)[Ticket(0, 0)]
    assert speech.tokens is None
    assert speech.labels == {}


def test_text_only_never_opens_audio(rows):
    missing = rows.assign(audio="/does/not/exist.wav")
    dataset = UtteranceDataset(missing, tokenize=Characters(), labels=LABELS)
    assert [dataset[Ticket(k, 0)].tokens[0] for k in range(len(dataset))] == [ord(c) for c in "sn¡N"]


def test_the_preprocessor_comes_after_the_crop(rows):
    """wav2vec's normalisation is of what the model hears."""
    lengths = []

    def preprocess(waveform):
        lengths.append(len(waveform))
        return waveform * 0 + 1

    example = UtteranceDataset(rows, preprocess, crop_seconds=0.1)[Ticket(2, 0)]
    assert lengths == [1600]
    assert example.speech.tolist() == [1.0] * 1600


def test_crops_are_of_the_asked_length_and_differ_by_epoch(rows):
    dataset = UtteranceDataset(rows, as_it_is, crop_seconds=0.1, seed=3)
    first = dataset[Ticket(2, epoch=0)].speech
    again = dataset[Ticket(2, epoch=0)].speech
    later = dataset[Ticket(2, epoch=1)].speech
    np.testing.assert_array_equal(first, again)
    assert first[0] != later[0]
    other_seed = UtteranceDataset(rows, as_it_is, crop_seconds=0.1, seed=4)[Ticket(2, epoch=0)].speech
    assert first[0] != other_seed[0]
    twins = UtteranceDataset(rows.iloc[[2, 2]], as_it_is, crop_seconds=0.1, seed=3)
    assert twins[Ticket(0, epoch=0)].speech[0] != twins[Ticket(1, epoch=0)].speech[0]
    short = dataset[Ticket(0, epoch=0)].speech
    np.testing.assert_allclose(short[1000:], short[:600])


@pytest.mark.parametrize("workers", [0, 1])
def test_augmentation_is_decided_by_seed_epoch_and_row_alone(rows, workers):
    """In whatever order, and in whichever process, an example is loaded."""
    augment = Augmenter([make() for make in EFFECTS.values()], One(0.8))
    dataset = UtteranceDataset(rows, as_it_is, crop_seconds=0.1, augment=augment, seed=1)
    tickets = [Ticket(row, epoch) for epoch in (0, 1) for row in range(3)]
    expected = {ticket: dataset[ticket].speech for ticket in tickets}
    loader = torch.utils.data.DataLoader(
        dataset, batch_sampler=[tickets[::-1]], collate_fn=as_it_is, num_workers=workers
    )
    for ticket, example in zip(tickets[::-1], next(iter(loader)), strict=True):
        np.testing.assert_array_equal(example.speech, expected[ticket])
    assert not np.array_equal(expected[Ticket(2, 0)], expected[Ticket(2, 1)])


def test_a_row_without_audio_is_a_second_of_silence(rows):
    waveform = UtteranceDataset(rows, as_it_is)[Ticket(3, 0)].speech
    assert waveform.shape == (RATE,)
    assert waveform.dtype == np.float32
    assert not waveform.any()


def test_targets(rows):
    dataset = UtteranceDataset(rows, tokenize=Characters(), labels=LABELS)
    assert [dataset[Ticket(k, 0)].labels["label"] for k in range(4)] == [1, 0, UNLABELLED, 0]
    assert dataset[Ticket(0, 0, counts=False)].labels == {"label": UNLABELLED}


def test_several_tasks(rows):
    rows = rows.assign(gender=["f", None, "m", "f"])
    dataset = UtteranceDataset(rows, tokenize=Characters(), labels={**LABELS, "gender": ["f", "m"]})
    batch = Collate()([dataset[Ticket(k, 0)] for k in range(4)])
    assert batch.labels["label"].tolist() == [1, 0, UNLABELLED, 0]
    assert batch.labels["gender"].tolist() == [0, UNLABELLED, 1, 0]


def test_soft_targets(rows):
    rows = rows.assign(votes=["joy:1 fear:3", None, None, "fear:1"])
    dataset = UtteranceDataset(rows, tokenize=Characters(), labels=LABELS, soft_labels={"label": "votes"})
    batch = Collate()([dataset[Ticket(k, 0)] for k in range(4)] + [dataset[Ticket(0, 0, counts=False)]])
    assert batch.labels["label"].tolist() == [[0.25, 0.75], [1, 0], [0, 0], [0, 1], [0, 0]]
    assert batch.labels["label"].dtype == torch.float32


def test_a_label_outside_the_vocabulary_is_an_error(rows):
    with pytest.raises(KeyError):
        UtteranceDataset(rows, labels={"label": ["joy"]})


# -- collate -----------------------------------------------------------------------------------------------------


def test_collate_pads_and_masks(rows):
    dataset = UtteranceDataset(rows, as_it_is, Characters(), LABELS)
    batch = Collate(pad_id=7)([dataset[Ticket(k, 0)] for k in (2, 0, 1)])

    assert batch.rows.tolist() == [2, 0, 1]
    assert batch.rows.dtype == torch.int64
    assert batch.speech.shape == batch.speech_mask.shape == (3, 4000)
    assert batch.speech.dtype == torch.float32
    assert batch.speech_mask.dtype == torch.bool
    assert batch.speech_mask.sum(1).tolist() == [4000, 1000, 2000]
    for k, count in enumerate((4000, 1000, 2000)):
        assert batch.speech_mask[k, :count].all()
        np.testing.assert_allclose(batch.speech[k, :count], np.arange(count) / 10_000)
    assert not batch.speech[~batch.speech_mask].any()

    assert batch.tokens.tolist() == [[ord(c) for c in "¡ja!"], [ord("s"), ord("í"), 7, 7], [ord("n"), ord("o"), 7, 7]]
    assert batch.token_mask.tolist() == [[True] * 4, [True, True, False, False], [True, True, False, False]]
    assert batch.labels["label"].tolist() == [UNLABELLED, 1, 0]


def test_a_token_that_equals_the_padding_is_still_real():
    examples = [Example(0, None, [7, 7], {}), Example(1, None, [1, 2, 3], {})]
    assert Collate(pad_id=7)(examples).token_mask.tolist() == [[True, True, False], [True, True, True]]


def test_collate_of_one_modality():
    batch = Collate()([Example(0, np.ones(3, np.float32), None, {})])
    assert batch.tokens is None
    assert batch.token_mask is None
    assert batch.labels == {}
    batch = Collate()([Example(0, None, [1], {})])
    assert batch.speech is None
    assert batch.speech_mask is None


def test_pad():
    padded, mask = pad([torch.tensor([1.0, 2.0]), torch.tensor([3.0])], value=-1.0)
    assert padded.tolist() == [[1, 2], [3, -1]]
    assert mask.tolist() == [[True, True], [True, False]]


def test_a_batch_moves_whole():
    batch = Collate()([Example(0, np.ones(3, np.float32), [1, 2], {"label": 1})])
    moved = batch.to("meta")
    tensors = [moved.rows, moved.speech, moved.speech_mask, moved.tokens, moved.token_mask, moved.labels["label"]]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    nothing = Batch(torch.tensor([0]), None, None, None, None, {}).to("cpu")
    assert nothing.speech is None


def test_what_worker_processes_need_pickles(rows):
    dataset = pickle.loads(pickle.dumps(UtteranceDataset(rows, as_it_is, Characters(), LABELS)))
    assert len(dataset) == 4
    assert pickle.loads(pickle.dumps(Collate(pad_id=7))) == Collate(pad_id=7)
