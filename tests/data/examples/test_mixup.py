"""Mixup: shares, levels, partners, and the targets that go with them."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from emospeech.data import manifest
from emospeech.data.audio import SAMPLE_RATE as RATE
from emospeech.data.examples.augment import EFFECTS, Augmenter, One, rms
from emospeech.data.examples.batching import Ticket
from emospeech.data.examples.dataset import Collate, UtteranceDataset
from emospeech.data.examples.mixup import Mixup, Partners, mixed
from emospeech.training.losses import CrossEntropy

LABELS = {"label": ["joy", "fear", "anger"]}
SECONDS = 0.25


def as_it_is(waveform):
    return waveform


def tone(hertz, level, seconds=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


@pytest.fixture
def rows(tmp_path):
    """Tones of 400, 800, … Hz at different levels; the fourth has a level of intensity and no emotion."""
    paths = []
    for k in range(4):
        paths.append(str(tmp_path / f"{k}.wav"))
        soundfile.write(paths[-1], tone(400 * (k + 1), 0.4 / 2**k, 0.3 + 0.1 * k), RATE, subtype="FLOAT")
    return manifest.make(id=list("abcd"), audio=paths, label=["joy", "fear", "anger", None]).assign(
        intensity=[None, None, None, "high"]
    )


def dataset(rows, alpha=1.0, probability=1.0, weights=None, labels=LABELS, **options):
    options = {"crop_seconds": SECONDS, **options}
    return UtteranceDataset(rows, as_it_is, labels=labels, mixup=Mixup(alpha, probability, weights), **options)


def strength(waveform, hertz):
    """Amplitude of a tone in a waveform, whatever its phase."""
    time = np.arange(len(waveform)) / RATE
    return 2 * abs(np.mean(waveform * np.exp(-2j * np.pi * hertz * time)))


# -- two sounds as one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_shares_are_of_equal_levels(share):
    """By hand: at 0.25, amplitudes 0.25 and 0.75 of the first's, over sqrt(0.0625 + 0.5625)."""
    one, other = tone(400, 0.4), tone(1000, 0.05)
    both = mixed(one, other, share)
    scale = np.sqrt(share**2 + (1 - share) ** 2)
    assert strength(both, 400) == pytest.approx(0.4 * share / scale, abs=1e-4)
    assert strength(both, 1000) == pytest.approx(0.4 * (1 - share) / scale, abs=1e-4)
    assert rms(both) == pytest.approx(rms(one), rel=1e-3), "as loud as the first"
    assert both.dtype == np.float32


def test_silence_is_not_mixed():
    assert mixed(np.zeros(100), tone(400, 0.1)[:100], 0.5) is None
    assert mixed(tone(400, 0.1)[:100], np.zeros(100), 0.5) is None
    assert mixed(np.zeros(0), np.zeros(0), 0.5) is None


# -- partners ----------------------------------------------------------------------------------------------------


def partners(kinds, mixup):
    """Rows that have labels for the tasks named by letters, as `a`, `ab`."""
    targets = {task: np.array([[float(task in kind), 0.0] for kind in kinds]) for task in "ab"}
    return Partners(mixup, targets)


def test_partners_have_labels_for_the_same_tasks():
    kinds = ["a", "b", "ab", "a", "ab", "", "b", "a"]
    among = partners(kinds, Mixup(probability=1.0))
    met = {row: set() for row in range(len(kinds))}
    for row in met:
        for epoch in range(60):
            pair = among.of(Ticket(row, epoch), 0)
            met[row] |= set() if pair is None else {pair.row}
    for row, others in met.items():
        assert others == {k for k, kind in enumerate(kinds) if kind == kinds[row]} - {row}


def test_partners_are_drawn_as_often_as_an_epoch_takes_them():
    weights = [1.0, 0.25, 2.0, 0.75]
    among = partners(["a"] * 4, Mixup(probability=1.0, weights=weights))
    pairs = [among.of(Ticket(0, epoch), 0) for epoch in range(4000)]
    drawn = [0 if pair is None else pair.row for pair in pairs]  # itself: it stays alone
    assert [drawn.count(row) / 4000 for row in range(4)] == pytest.approx([w / 4 for w in weights], abs=0.025)


def test_how_often_and_how_much():
    among = partners(["a"] * 400, Mixup(alpha=0.2, probability=0.3))
    pairs = [among.of(Ticket(0, epoch), 0) for epoch in range(4000)]
    shares = [pair.share for pair in pairs if pair is not None]
    assert len(shares) / 4000 == pytest.approx(0.3, abs=0.03)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.04)
    assert np.var(shares) == pytest.approx(0.25 / 1.4, abs=0.015)  # of Beta(0.2, 0.2): 1 / (4 (2 a + 1))
    assert among.of(Ticket(0, 0, counts=False), 0) is None


# -- examples ----------------------------------------------------------------------------------------------------


def test_targets_are_mixed_as_the_sounds_are(rows):
    data = dataset(rows[:3])
    for epoch in range(10):
        example = data[Ticket(0, epoch)]
        target = example.labels["label"]
        assert target.dtype == np.float32
        assert target.sum() == pytest.approx(1)
        heard = np.array([strength(example.speech, 400 * (k + 1)) for k in range(3)])
        share = heard / heard.sum()
        assert share == pytest.approx(target, abs=0.02)
        assert rms(example.speech) == pytest.approx(0.4 / np.sqrt(2), rel=0.03)


def test_an_example_names_its_partner(rows):
    """Whose tone is heard in it; none where the clip stays alone."""
    data = dataset(rows[:3])
    for epoch in range(20):
        example = data[Ticket(0, epoch)]
        heard = {row for row in (1, 2) if strength(example.speech, 400 * (row + 1)) > 1e-3}
        assert heard <= {example.drawn.partner}
    batch = Collate()([data[Ticket(1, 0)], data[Ticket(0, 0, counts=False)]])
    assert batch.heard == [(1, data[Ticket(1, 0)].drawn.partner)], "a filled place is nobody's clip"
    assert batch.to("cpu").part(slice(1, 2)).heard == []
    assert data[Ticket(0, 0, counts=False)].drawn.partner is None


def test_a_clip_that_is_not_mixed_is_what_it_was_without(rows):
    """The same crops and effects, and one-hot targets, which count as a class number does."""
    augment = Augmenter([make() for make in EFFECTS.values()], One(0.8))
    plain = UtteranceDataset(rows[:3], as_it_is, labels=LABELS, crop_seconds=SECONDS, augment=augment)
    data = dataset(rows[:3], probability=0.5, augment=augment)
    same = 0
    for ticket in [Ticket(row, epoch, take=take) for row in range(3) for epoch in range(4) for take in (0, 1)]:
        one, other = plain[ticket], data[ticket]
        if data.partners.of(ticket, 0) is None:
            same += 1
            np.testing.assert_array_equal(one.speech, other.speech)
            assert other.labels["label"].tolist() == np.eye(3)[one.labels["label"]].tolist()
        else:
            assert not np.array_equal(one.speech, other.speech)
    assert 4 < same < 20


def test_corpora_with_a_head_of_their_own_stay_by_themselves(rows):
    data = dataset(rows, labels={**LABELS, "intensity": ["high", "low"]})
    for row in range(4):
        batch = Collate()([data[Ticket(row, epoch)] for epoch in range(20)])
        label, intensity = batch.labels["label"], batch.labels["intensity"]
        assert label.dtype == intensity.dtype == torch.float32
        assert (label.sum(1) == 0).all() if row == 3 else torch.allclose(label.sum(1), torch.ones(20))
        assert intensity.tolist() == [[float(row == 3), 0.0]] * 20
    loss = CrossEntropy([1.0, 1.0, 1.0])
    nothing = dataset(rows)[Ticket(3, 0)].labels["label"][None]
    assert loss(torch.randn(1, 3), torch.tensor(nothing)).item() == 0
    assert loss.normaliser(torch.tensor(nothing)).item() == 0


def test_whole_clips_keep_their_length(rows):
    """Without crops, the partner is cropped or repeated to fit."""
    data = dataset(rows[:3], crop_seconds=None)
    for row, length in enumerate((4800, 6400, 8000)):
        assert {len(data[Ticket(row, epoch)].speech) for epoch in range(8)} == {length}


def test_a_partner_without_sound_changes_nothing(rows):
    data = dataset(rows[:3].assign(audio=[rows["audio"][0], None, None]))
    for epoch in range(10):
        example = data[Ticket(0, epoch)]
        share = strength(example.speech, 400)
        assert share == pytest.approx(0.4, abs=0.01)
        assert example.labels["label"].tolist() == [1, 0, 0]
    assert not data[Ticket(1, 0)].speech.any()


def test_votes_are_mixed_too(rows):
    voted = rows[:3].assign(votes=["joy:1 fear:1", None, None])
    example = dataset(voted, soft_labels={"label": "votes"})[Ticket(0, 0)]
    assert example.labels["label"].sum() == pytest.approx(1)


def test_what_fills_an_idle_process_counts_nothing(rows):
    example = dataset(rows[:3])[Ticket(0, 0, counts=False)]
    assert example.labels["label"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("workers", [0, 2])
def test_in_whatever_order_and_process(rows, workers):
    data = dataset(rows[:3], augment=Augmenter([make() for make in EFFECTS.values()], One(0.8)), seed=4)
    tickets = [Ticket(row, epoch) for epoch in (0, 1) for row in range(3)]
    expected = {ticket: data[ticket] for ticket in tickets}
    batches = [tickets[::-1][:3], tickets[::-1][3:]]
    loader = torch.utils.data.DataLoader(data, batch_sampler=batches, collate_fn=as_it_is, num_workers=workers)
    for ticket, example in zip(tickets[::-1], [one for batch in loader for one in batch], strict=True):
        np.testing.assert_array_equal(example.speech, expected[ticket].speech)
        np.testing.assert_array_equal(example.labels["label"], expected[ticket].labels["label"])


def test_rows_that_only_predict_are_as_before(rows):
    frame = pd.DataFrame(rows)
    assert UtteranceDataset(frame, as_it_is)[Ticket(0, 0)].labels == {}
