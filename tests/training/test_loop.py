"""The loop on a small network: interruption, accumulation, early stopping, damaged checkpoints."""

import signal
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator

from emospeech.data.examples.batching import TrainingOrder
from emospeech.data.examples.dataset import Batch
from emospeech.runtime.errors import Futile, Interrupted
from emospeech.runtime.interrupt import StopRequest
from emospeech.training import evaluation, loop
from emospeech.training.checkpoint import Checkpoints
from emospeech.training.losses import CrossEntropy
from emospeech.training.schedules import Plateau
from emospeech.training.standing import Plan

ROWS = 22
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(ROWS, 5, generator=GENERATOR)
LABELS = torch.randint(3, (ROWS,), generator=GENERATOR)


class Net(torch.nn.Module):
    def __init__(self, dropout=0.5):
        super().__init__()
        torch.manual_seed(3)
        self.layers = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Dropout(dropout), torch.nn.Linear(8, 3))

    def forward(self, batch):
        return {"label": self.layers(INPUTS[batch.rows])}

    def trained_state(self):
        return self.state_dict()

    def load_trained_state(self, state):
        self.load_state_dict(state)


def loader(order):
    for tickets in order:
        rows = torch.tensor([ticket.row for ticket in tickets])
        labels = torch.where(torch.tensor([t.counts for t in tickets]), LABELS[rows], -100)
        yield Batch(rows, None, None, None, None, {"label": labels})


class Stopper(StopRequest):
    """Asks for a stop once so many steps are done."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def __bool__(self):
        return self.left < 0

    def __int__(self):
        self.left -= 1
        return int(signal.SIGTERM) if self else 0


def overflow_at(network, step):
    """Of the steps that this process takes, one gives an infinite gradient, from a loss that is finite."""
    steps = iter(range(10_000))
    network.layers[0].bias.register_hook(lambda slope: slope / 0.0 if next(steps) == step else slope)


def train(
    folder,
    stop=None,
    accumulation=1,
    batch_size=4,
    dropout=0.5,
    scores=None,
    steps=15,
    patience=None,
    spoil_at=None,
    keep_last=False,
    dev=True,
    cut=None,
):
    network = Net(dropout)
    if spoil_at is not None:
        overflow_at(network, spoil_at)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05)
    parts = loop.Parts(
        network,
        {"label": CrossEntropy([1.0, 3.0, 0.5])},
        optimizer,
        Plateau(factor=0.5, patience=2),
        Accelerator(cpu=True),
    )
    journal = []

    def batches(stop):
        """All rows; in the validation that is cut short, somebody asks for a stop after the first batch."""
        for number, batch in enumerate(loader(replace(TrainingOrder(size=ROWS, batch_size=8, seed=1), last_step=3))):
            if number == 1 and cut is not None and len(journal) == cut:
                stop.number = signal.SIGUSR1
            yield batch

    def validate(stop):
        found = evaluation.predict_unless(stop, network, batches(stop), Accelerator(cpu=True))
        if found is None:
            return None
        value = float(torch.stack([-found["label"][row][LABELS[row]].log() for row in range(ROWS)]).mean())
        return {"score": scores.pop(0) if scores else -value}

    standing = loop.train(
        parts,
        Plan(steps=steps, validate_every=4, early_stopping=patience, clip_norm=1.0, keep_last=keep_last),
        TrainingOrder(size=ROWS, batch_size=batch_size, seed=1, accumulation=accumulation),
        loader,
        validate if dev else None,
        Checkpoints(folder),
        journal=lambda history: journal.append(list(history)),
        stop=StopRequest() if stop is None else stop,
    )
    return network, standing, journal


@pytest.mark.parametrize("kill_at", [1, 3, 4, 5, 8, 11, 14])
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path, kill_at):
    whole, standing, journal = train(tmp_path / "whole")
    with pytest.raises(Interrupted, match=f"stopped at step {kill_at} of 15"):
        train(tmp_path / "cut", stop=Stopper(kill_at - 1))
    again, standing_again, journal_again = train(tmp_path / "cut")
    assert standing_again == standing
    assert journal_again[-1] == journal[-1]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    best, best_again = (Checkpoints(tmp_path / name).load_best() for name in ("whole", "cut"))
    assert all(torch.equal(best[key], best_again[key]) for key in best)


@pytest.mark.parametrize("validation", [0, 1, 3])
def test_a_validation_cut_short_begins_anew(tmp_path, validation):
    whole, standing, journal = train(tmp_path / "whole")
    step = [4, 8, 12, 15][validation]
    with pytest.raises(Interrupted, match=f"stopped at step {step} of 15"):
        train(tmp_path / "cut", cut=validation)
    kept = Checkpoints(tmp_path / "cut").load()["standing"]
    assert [entry["step"] for entry in kept["history"]] == [4, 8, 12, 15][:validation], "it has told nothing"
    again, standing_again, journal_again = train(tmp_path / "cut")
    assert standing_again == standing
    assert journal_again[-1] == journal[-1]
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), rtol=0, atol=0)
    best, best_again = (Checkpoints(tmp_path / name).load_best() for name in ("whole", "cut"))
    assert all(torch.equal(best[key], best_again[key]) for key in best)


def test_a_validation_that_never_has_the_time(tmp_path):
    """A job is not put back into the queue for ever."""
    for _ in range(5):
        with pytest.raises(Interrupted, match="stopped at step 4 of 15"):
            train(tmp_path, cut=0)
    with pytest.raises(Futile, match="the validation at step 4 had no time to end in 5 starts"):
        train(tmp_path, cut=0)
    train(tmp_path)


def test_a_validation_that_has_the_time_at_last(tmp_path):
    """The stop comes when it has just ended: the job goes on."""
    for _ in range(5):
        with pytest.raises(Interrupted):
            train(tmp_path, cut=0)
    with pytest.raises(Interrupted, match="stopped at step 4 of 15") as stopped:
        train(tmp_path, stop=Stopper(0))
    assert not isinstance(stopped.value, Futile)
    assert [entry["step"] for entry in Checkpoints(tmp_path).load()["standing"]["history"]] == [4]


def test_the_last_weights_are_kept_whatever_dev_says(tmp_path):
    """Scores fall, so the best ones are those of the first validation."""
    network, standing, journal = train(tmp_path / "last", scores=[0.9, 0.5, 0.4, 0.3], keep_last=True)
    kept = Checkpoints(tmp_path / "last").load_best()
    assert all(torch.equal(kept[key], value) for key, value in network.state_dict().items())
    assert (standing.best_step, len(journal[-1])) == (4, 4)
    train(tmp_path / "best", scores=[0.9, 0.5, 0.4, 0.3])
    best = Checkpoints(tmp_path / "best").load_best()
    assert not all(torch.equal(best[key], value) for key, value in network.state_dict().items())


def test_a_finished_training_is_not_trained_on(tmp_path):
    _, standing, _ = train(tmp_path)
    _, again, _ = train(tmp_path)
    assert again == standing


@pytest.mark.parametrize("accumulation", [2, 3, 7])
def test_accumulation_changes_nothing_but_rounding(tmp_path, accumulation):
    """Also with more micro-batches than examples in the last batch of an epoch."""
    one, first, _ = train(tmp_path / "one", dropout=0.0)
    many, second, _ = train(tmp_path / "many", dropout=0.0, accumulation=accumulation)
    for entry, other in zip(first.history, second.history, strict=True):
        assert entry["train_loss"] == pytest.approx(other["train_loss"], abs=1e-5)
    torch.testing.assert_close(one.state_dict(), many.state_dict(), rtol=0, atol=1e-5)


def test_training_by_hand(tmp_path):
    """Three steps against plain torch."""
    network, _, _ = train(tmp_path, dropout=0.0, steps=3)
    plain = Net(0.0)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.05)
    order = TrainingOrder(size=ROWS, batch_size=4, seed=1)
    for step in range(3):
        rows = torch.tensor([ticket.row for ticket in order.global_batch(step)])
        optimizer.zero_grad()
        weights = torch.tensor([1.0, 3.0, 0.5])
        torch.nn.functional.cross_entropy(plain.layers(INPUTS[rows]), LABELS[rows], weights).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
    torch.testing.assert_close(network.state_dict(), plain.state_dict(), rtol=0, atol=1e-6)


def test_best_weights_are_those_of_the_best_validation(tmp_path):
    network, standing, journal = train(tmp_path, scores=[0.1, 0.9, 0.2, 0.3])
    assert (standing.best_step, standing.best_score) == (8, 0.9)
    assert [entry["step"] for entry in journal[-1]] == [4, 8, 12, 15]
    short, _, _ = train(tmp_path / "short", scores=[0.1, 0.9], steps=8)
    best = Checkpoints(tmp_path).load_best()
    assert all(torch.equal(best[key], value) for key, value in short.state_dict().items())
    assert not all(torch.equal(best[key], value) for key, value in network.state_dict().items())


def test_early_stopping_and_plateau(tmp_path):
    _, standing, _ = train(tmp_path, scores=[0.5, 0.4, 0.4, 0.9], steps=100, patience=2)
    assert (standing.step, standing.best_step, standing.waited) == (12, 4, 2)
    _, standing, _ = train(tmp_path / "plateau", scores=[0.5, 0.4, 0.4, 0.4, 0.4, 0.6], steps=24)
    assert standing.factors == [(0, 1.0), (12, 0.5), (20, 0.25)]


def test_damaged_checkpoint_is_named_and_the_one_before_it_serves(tmp_path, capsys):
    whole, _, _ = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", stop=Stopper(9))
    newest = sorted((tmp_path / "cut").glob("step-*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:200])
    again, _, _ = train(tmp_path / "cut")
    assert newest.name in capsys.readouterr().err
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in whole.state_dict().items())


def test_a_loss_that_is_no_number_stops_and_names_the_rows(tmp_path):
    spoiled = INPUTS[3].clone()
    INPUTS[3] = float("nan")
    try:
        with pytest.raises(loop.NonFiniteError) as error:
            train(tmp_path)
    finally:
        INPUTS[3] = spoiled
    assert (3, None) in error.value.rows


@pytest.mark.parametrize("dev", [True, False])
@pytest.mark.parametrize("spoiled", [4, 8, 15])
def test_weights_that_are_no_numbers_are_never_kept(tmp_path, spoiled, dev):
    """A gradient that overflows in the step before a checkpoint, where no further loss would tell."""
    whole, standing, _ = train(tmp_path / "whole", dev=dev)
    with pytest.raises(loop.NonFiniteError, match=f"the weights are not finite at step {spoiled}") as error:
        train(tmp_path / "cut", dev=dev, spoil_at=spoiled - 1)
    order = TrainingOrder(size=ROWS, batch_size=4, seed=1)
    assert sorted(error.value.rows) == sorted((ticket.row, None) for ticket in order.global_batch(spoiled - 1))
    kept = Checkpoints(tmp_path / "cut").load()
    assert (kept["standing"]["step"] if kept else 0) == {4: 0, 8: 4, 15: 12}[spoiled]
    again, standing_again, _ = train(tmp_path / "cut", dev=dev)
    assert standing_again == standing
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_weights_that_are_no_numbers_are_not_kept_by_a_stop(tmp_path):
    with pytest.raises(loop.NonFiniteError, match="the weights are not finite at step 2"):
        train(tmp_path, stop=Stopper(1), spoil_at=1)
    assert not list(tmp_path.iterdir())


def test_predictions_cover_every_row_once(tmp_path):
    network = Net()
    order = replace(TrainingOrder(size=ROWS, batch_size=4, seed=1), last_step=6)
    rows = evaluation.predict(network, loader(order), Accelerator(cpu=True))["label"]
    assert sorted(rows) == list(range(ROWS))
    expected = torch.softmax(network.layers(INPUTS).double(), -1)
    torch.testing.assert_close(torch.stack([rows[k] for k in range(ROWS)]), expected, rtol=0, atol=1e-6)
