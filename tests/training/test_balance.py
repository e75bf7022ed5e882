"""What weighs the tasks against each other: by hand, in the loop, interrupted, in micro-batches, labels missing."""

import math
import signal

import pytest
import torch
from accelerate import Accelerator

from emospeech.config import Optimizer
from emospeech.data.examples.batching import TrainingOrder
from emospeech.data.examples.dataset import Batch
from emospeech.runtime.errors import Interrupted
from emospeech.runtime.interrupt import StopRequest
from emospeech.systems.fitting.plan import build_balance, build_optimizer
from emospeech.training import loop
from emospeech.training.balance import FixedWeights, Uncertainty
from emospeech.training.checkpoint import Checkpoints
from emospeech.training.losses import CrossEntropy
from emospeech.training.schedules import Constant
from emospeech.training.standing import Plan

ROWS, CLASSES = 22, {"label": 3, "gender": 2}
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(ROWS, 5, generator=GENERATOR)
EMOTION = torch.randint(3, (ROWS,), generator=GENERATOR)
GENDER = torch.randint(2, (ROWS,), generator=GENERATOR)
WEIGHTS = {"label": [1.0, 3.0, 0.5], "gender": [1.0, 2.0]}


# -- by hand -----------------------------------------------------------------------------------------------------


def test_uncertainty_by_hand():
    balance = Uncertainty(["a", "b"])
    with torch.no_grad():
        balance.log_variances[0].fill_(math.log(2))  # exp(-s) = 1/2
        balance.log_variances[1].fill_(-math.log(4))  # exp(-s) = 4
    assert balance.weights.tolist() == pytest.approx([0.5, 4.0])
    total = balance.total(torch.tensor([3.0, 0.25]), torch.tensor([True, True]))
    assert total.item() == pytest.approx(0.5 * 3 + 4 * 0.25 + math.log(2) / 2 - math.log(4) / 2)
    total.backward()  # -exp(-s) L + 1/2
    slopes = [s.grad.item() for s in balance.log_variances]
    assert slopes == pytest.approx([-1.5 + 0.5, -1.0 + 0.5])
    assert balance.told() == pytest.approx({"weight_a": 0.5, "weight_b": 4.0})


def test_it_begins_with_equal_weights():
    assert Uncertainty(["a", "b"]).weights.tolist() == [1.0, 1.0]
    assert build_balance("equal", ["a", "b"]).weights.tolist() == [1.0, 1.0]
    assert build_balance({"b": 0.25}, ["a", "b"]).weights.tolist() == [1.0, 0.25]


def test_a_task_that_is_absent_has_no_gradient_at_all():
    balance = Uncertainty(["a", "b"])
    balance.total(torch.tensor([2.0, 0.0]), torch.tensor([True, False])).backward()
    assert balance.log_variances[0].grad.item() == -1.5
    assert balance.log_variances[1].grad is None
    nothing = balance.total(torch.zeros(2), torch.tensor([False, False]))
    assert nothing.item() == 0
    assert not nothing.requires_grad


def test_fixed_weights_learn_nothing():
    balance = FixedWeights({"a": 1.0, "b": 0.5})
    assert balance.total(torch.tensor([2.0, 4.0]), torch.tensor([True, True])).item() == 4.0
    assert not list(balance.parameters())
    assert balance.state_dict() == {}
    assert balance.told() == {}


def test_the_learned_weights_do_not_decay():
    balance = Uncertainty(["a", "b"])
    wanted = Optimizer.model_validate({"name": "AdamW", "lr": 0.1, "weight_decay": 0.5})
    groups = build_optimizer(wanted, [torch.nn.Parameter(torch.zeros(1))], balance).param_groups
    assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(1, 0.5), (2, 0.0)]
    assert (
        len(build_optimizer(wanted, [torch.nn.Parameter(torch.zeros(1))], FixedWeights({"a": 1.0})).param_groups) == 1
    )


# -- in the loop -------------------------------------------------------------------------------------------------


class Net(torch.nn.Module):
    """A shared layer, and a head for each task."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.shared = torch.nn.Linear(5, 8)
        self.heads = torch.nn.ModuleDict({task: torch.nn.Linear(8, count) for task, count in CLASSES.items()})

    def forward(self, batch):
        shared = torch.tanh(self.shared(INPUTS[batch.rows]))
        return {task: head(shared) for task, head in self.heads.items()}

    def trained_state(self):
        return self.state_dict()

    def load_trained_state(self, state):
        self.load_state_dict(state)


def loader_of(gender):
    def loader(order):
        for tickets in order:
            rows = torch.tensor([ticket.row for ticket in tickets])
            counts = torch.tensor([ticket.counts for ticket in tickets])
            labels = {
                task: torch.where(counts, all_of[rows], -100)
                for task, all_of in (("label", EMOTION), ("gender", gender))
            }
            yield Batch(rows, None, None, None, None, labels)

    return loader


class Stopper(StopRequest):
    def __init__(self, after):
        super().__init__()
        self.left = after

    def __int__(self):
        self.left -= 1
        return int(signal.SIGTERM) if self.left < 0 else 0


def train(folder, balance="uncertainty", gender=GENDER, stop=None, accumulation=1, steps=12):
    network, balance = Net(), build_balance(balance, CLASSES)
    wanted = Optimizer.model_validate({"name": "AdamW", "lr": 0.05, "weight_decay": 0.1})
    history = []
    loop.train(
        loop.Parts(
            network,
            {task: CrossEntropy(weights) for task, weights in WEIGHTS.items()},
            build_optimizer(wanted, list(network.parameters()), balance),
            Constant(steps),
            Accelerator(cpu=True),
            balance,
        ),
        Plan(steps=steps, validate_every=4, clip_norm=1.0),
        TrainingOrder(size=ROWS, batch_size=4, seed=1, accumulation=accumulation),
        loader_of(gender),
        lambda stop: {"score": 0.0},
        Checkpoints(folder),
        journal=lambda entries: history.__setitem__(slice(None), entries),
        stop=StopRequest() if stop is None else stop,
    )
    return network, balance, history


def by_hand(steps, gender=GENDER):
    """The same in plain torch: one objective, one backward pass."""
    network, s = Net(), {task: torch.nn.Parameter(torch.zeros(())) for task in CLASSES}
    groups = [{"params": list(network.parameters())}, {"params": list(s.values()), "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.05, weight_decay=0.1)
    order = TrainingOrder(size=ROWS, batch_size=4, seed=1)
    for step in range(steps):
        rows = torch.tensor([ticket.row for ticket in order.global_batch(step)])
        logits = network(Batch(rows, None, None, None, None, {}))
        optimizer.zero_grad()
        total = 0.0 * sum(of.sum() for of in logits.values())  # a head that counts nothing has a gradient of 0
        for task, truth in (("label", EMOTION[rows]), ("gender", gender[rows])):
            if (truth >= 0).any():
                loss = torch.nn.functional.cross_entropy(logits[task], truth, torch.tensor(WEIGHTS[task]))
                total = total + torch.exp(-s[task]) * loss + s[task] / 2
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network, s


SPARSE = torch.where(torch.arange(ROWS) % 7 == 0, GENDER, -100)  # several batches hold none


@pytest.mark.parametrize("gender", [GENDER, SPARSE], ids=["all told", "few told"])
def test_training_by_hand(tmp_path, gender):
    network, balance, _ = train(tmp_path, gender=gender)
    expected, s = by_hand(12, gender)
    torch.testing.assert_close(network.state_dict(), expected.state_dict(), rtol=0, atol=1e-5)
    learned = [value.item() for value in balance.log_variances]
    assert learned == pytest.approx([value.item() for value in s.values()], abs=1e-5)
    assert all(abs(value) > 0.01 for value in learned)


@pytest.mark.parametrize("kill_at", [1, 4, 7, 11])
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path, kill_at):
    whole, balance, history = train(tmp_path / "whole", gender=SPARSE)
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", gender=SPARSE, stop=Stopper(kill_at - 1))
    again, balance_again, history_again = train(tmp_path / "cut", gender=SPARSE)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in whole.state_dict().items())
    assert balance.told() == balance_again.told()
    assert history == history_again
    assert history[-1]["weight_gender"] == balance.told()["weight_gender"]


@pytest.mark.parametrize("accumulation", [2, 3])
def test_micro_batches_change_nothing_but_rounding(tmp_path, accumulation):
    one, balance, first = train(tmp_path / "one", gender=SPARSE)
    many, balance_many, second = train(tmp_path / "many", gender=SPARSE, accumulation=accumulation)
    torch.testing.assert_close(one.state_dict(), many.state_dict(), rtol=0, atol=1e-5)
    assert balance.told() == pytest.approx(balance_many.told(), abs=1e-5)
    losses = [[entry["train_loss"] for entry in history] for history in (first, second)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_task_without_labels_moves_nothing_of_its_own(tmp_path):
    """Momentum and weight decay move what has a gradient of 0; what has none stays."""
    nobody = torch.full((ROWS,), -100)
    _, balance, _ = train(tmp_path, gender=nobody)
    assert balance.log_variances[1].item() == 0
    assert balance.log_variances[0].item() != 0


def test_labels_that_are_missing_count_nothing(tmp_path):
    """The head of a task with few labels gets the gradient of those few alone, divided by their weight alone."""
    network, rows = Net(), torch.arange(8)
    gender = torch.where(rows == 2, 1, -100)
    losses = {task: CrossEntropy(weights) for task, weights in WEIGHTS.items()}
    logits = network(Batch(rows, None, None, None, None, {}))
    loss = losses["gender"](logits["gender"], gender) / losses["gender"].normaliser(gender)
    loss.backward()
    alone = Net()
    truth = alone(Batch(rows[2:3], None, None, None, None, {}))["gender"]
    torch.nn.functional.cross_entropy(truth, torch.tensor([1])).backward()
    torch.testing.assert_close(network.heads["gender"].weight.grad, alone.heads["gender"].weight.grad)
    torch.testing.assert_close(network.shared.weight.grad, alone.shared.weight.grad)
    assert network.heads["label"].weight.grad is None


def test_equal_weights_are_a_plain_sum_bit_for_bit(tmp_path):
    one, _, _ = train(tmp_path / "one", "equal")
    other, _, _ = train(tmp_path / "other", {"label": 1.0, "gender": 1.0})
    half, _, _ = train(tmp_path / "half", {"gender": 0.5})
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())
    assert not torch.equal(one.heads["gender"].weight, half.heads["gender"].weight)
