"""An encoder over many utterances: order, batches, memory that is short, errors of what is read."""

import pytest
import torch

from emospeech.encoders.store.reader import Item, Reader
from emospeech.runtime.errors import WorkError

CPU = torch.device("cpu")


class Encoder:
    """Doubles its inputs, one state each; remembers its batches, and has memory for so many inputs."""

    def __init__(self, room=1000):
        self.batches, self.room = [], room

    def __call__(self, inputs, mask):
        if inputs.numel() > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(inputs))
        return 2 * inputs[:, None, :, None], mask


def items(*lengths):
    return [Item(f"{k}", n, lambda k=k, n=n: torch.full((n,), float(k))) for k, n in enumerate(lengths)]


@pytest.mark.parametrize("budget", [0, 6, 12, 100])
def test_each_gets_its_own_states_in_order(budget):
    encoder = Encoder()
    found = list(Reader(encoder, CPU, budget=budget).read(items(3, 1, 4, 1, 5)))
    assert [item.key for item, _ in found] == ["0", "1", "2", "3", "4"]
    for k, (item, states) in enumerate(found):
        assert states.shape == (1, item.length, 1)
        assert bool((states == 2 * k).all())
    if budget == 0:
        assert encoder.batches == [1] * 5
    if budget == 6:
        assert encoder.batches == [2, 1, 1, 1]


def test_short_memory_halves_the_batch_and_is_remembered():
    encoder = Encoder(room=8)
    reader = Reader(encoder, CPU, budget=100)
    found = list(reader.read(items(*[2] * 20)))
    assert [int(states[0, 0, 0]) for _, states in found] == [2 * k for k in range(20)]
    assert reader.budget <= 8 * 1.5
    encoder.batches.clear()
    list(reader.read(items(*[2] * 8)))
    assert max(encoder.batches) <= 4


def test_one_utterance_that_does_not_fit_is_told():
    with pytest.raises(WorkError, match=r"does not hold the encoder's work on one utterance of length 9"):
        list(Reader(Encoder(room=8), CPU).read(items(2, 9)))


def test_other_errors_stay_what_they_are():
    def broken(inputs, mask):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(Reader(broken, CPU).read(items(2)))

    def unreadable():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(Reader(Encoder(), CPU).read([Item("a", 1, unreadable)]))
