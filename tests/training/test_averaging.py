"""The mean of states."""

import torch
from torch import nn

from emospeech.training.averaging import averaged, has_statistics


def test_the_mean_of_one_and_the_same_is_it_bit_for_bit():
    torch.manual_seed(0)
    state = {"a": torch.randn(50, 7) * 1e-3, "b": torch.randn(9).bfloat16(), "c": torch.tensor([1e-38, 3e38])}
    for count in (2, 3, 7):
        found = averaged([state] * count)
        assert all(torch.equal(found[key], value) and found[key].dtype == value.dtype for key, value in state.items())


def test_of_two_linear_heads_the_logits_are_the_mean():
    torch.manual_seed(1)
    heads, inputs = [nn.Linear(4, 3) for _ in range(2)], torch.randn(5, 4)
    soup = nn.Linear(4, 3)
    soup.load_state_dict(averaged([head.state_dict() for head in heads]))
    torch.testing.assert_close(soup.weight, (heads[0].weight + heads[1].weight) / 2)
    torch.testing.assert_close(soup(inputs), (heads[0](inputs) + heads[1](inputs)) / 2)


def test_integers_are_those_of_the_first():
    norms = [nn.BatchNorm1d(2) for _ in range(2)]
    norms[0](torch.ones(4, 2))
    norms[1](torch.tensor([[3.0, 5.0]] * 4))
    norms[1](torch.tensor([[3.0, 5.0]] * 4))
    found = averaged([norm.state_dict() for norm in norms])
    assert int(found["num_batches_tracked"]) == 1
    torch.testing.assert_close(found["running_mean"], (norms[0].running_mean + norms[1].running_mean) / 2)
    assert has_statistics(found)
    assert not has_statistics(nn.Linear(2, 2).state_dict())
