"""Windows over long texts: laws of the plan, and of what is laid together."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.encoders.text.windows import read_tokens, read_windows
from emospeech.encoders.windows import Windows


@st.composite
def plans(draw):
    prefix, suffix, room = draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(1, 12))
    windows = Windows(prefix + suffix + room, prefix, suffix)
    return windows, draw(st.integers(prefix + suffix, windows.size + 40))


def batch_of(lengths):
    """Token j of a text k is 100 * k + j + 1; padding is 0."""
    widest = max(lengths)
    mask = torch.arange(widest) < torch.tensor(lengths)[:, None]
    return (torch.arange(len(lengths))[:, None] * 100 + torch.arange(widest) + 1) * mask, mask


def echo(tokens, mask):
    """Each token's state is the token."""
    return tokens[..., None].float()


def neighbours(tokens, mask):
    """Each token's state is how many tokens stand before and after it in its row."""
    place = torch.arange(tokens.shape[1]).expand_as(tokens)
    return torch.stack([place, mask.sum(1, keepdim=True) - 1 - place], -1).float()


@settings(deadline=None)  # the first call waits for torch
@given(plans())
def test_every_token_gets_its_own_state_whatever_the_length(plan):
    windows, length = plan
    tokens, mask = batch_of([length + 1, max(length - 5, 1), 1])
    states = read_tokens(echo, tokens, mask, windows)
    assert states.shape == (*tokens.shape, 1)
    torch.testing.assert_close(states[..., 0][mask], tokens[mask].float())


@settings(deadline=None)
@given(plans())
def test_windows_are_full_evenly_spread_and_overlap_by_a_quarter(plan):
    windows, length = plan
    starts = windows.starts(length).tolist()
    if length <= windows.size:
        assert starts == [0]
        return
    steps = [b - a for a, b in pairwise(starts)]
    assert starts[0] == 0
    assert starts[-1] + windows.size == length
    assert max(steps) <= windows.room - windows.room // 4
    assert min(steps) >= max(max(steps) - 1, 1)
    fewer = len(starts) - 1
    assert fewer == 1 or (length - windows.size) / (fewer - 1) > windows.room - windows.room // 4, "one would be spare"


@settings(deadline=None)
@given(plans())
def test_each_window_has_the_special_tokens_at_its_ends(plan):
    windows, length = plan
    if length <= windows.size:
        return
    for row in windows.positions(length).tolist():
        assert row[: windows.prefix] == list(range(windows.prefix))
        assert row[windows.size - windows.suffix :] == list(range(length - windows.suffix, length))
        content = row[windows.prefix : windows.size - windows.suffix]
        assert content == list(range(content[0], content[0] + windows.room))


@settings(deadline=None)
@given(plans())
def test_states_come_from_where_the_token_is_most_central(plan):
    windows, length = plan
    length = length + windows.size
    tokens, mask = batch_of([length])
    ours = read_tokens(neighbours, tokens, mask, windows)[0].min(-1).values
    ends = (windows.prefix, windows.suffix)
    rows = [row[ends[0] : windows.size - ends[1]].tolist() for row in windows.positions(length)]
    for token in range(ends[0], length - ends[1]):
        reach = [
            min(row.index(token) + ends[0], windows.size - 1 - row.index(token) - ends[0])
            for row in rows
            if token in row
        ]
        best = [min(row.index(token), windows.room - 1 - row.index(token)) for row in rows if token in row]
        assert ours[token] == reach[best.index(max(best))]


def test_a_plan_by_hand():
    windows = Windows(size=6, prefix=1, suffix=1)  # room for 4, so a new window each 3 tokens at most
    assert windows.positions(9).tolist() == [[0, 1, 2, 3, 4, 8], [0, 4, 5, 6, 7, 8]]
    assert windows.places(9).tolist() == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert windows.positions(5).tolist() == [[0, 1, 2, 3, 4, 5]]
    assert windows.places(5).tolist() == [0, 1, 2, 3, 4]


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_a_vector_for_each_window_whatever_the_batch(lengths):
    windows = Windows(size=12)
    tokens, mask = batch_of(lengths)
    vectors, real = read_windows(lambda t, m: (t * m).sum(1, keepdim=True).float(), tokens, mask, windows)
    assert real.sum(1).tolist() == [len(windows.starts(length)) for length in lengths]
    for k, length in enumerate(lengths):
        alone, _ = read_windows(
            lambda t, m: (t * m).sum(1, keepdim=True).float(),
            tokens[k : k + 1, :length],
            mask[k : k + 1, :length],
            windows,
        )
        torch.testing.assert_close(vectors[k][real[k]], alone[0])
    assert (vectors[~real] == 0).all()


def test_gradients_reach_every_token():
    tokens, mask = batch_of([30, 4])
    table = torch.nn.Embedding(200, 3)
    read_tokens(lambda t, m: table(t), tokens, mask, Windows(8)).sum().backward()
    assert (table.weight.grad[tokens[mask]] == 1).all()
    assert table.weight.grad.sum() == 3 * int(mask.sum())


def test_a_window_must_have_room():
    with pytest.raises(ValueError, match="no room beside 2 special ones"):
        Windows(size=2)
