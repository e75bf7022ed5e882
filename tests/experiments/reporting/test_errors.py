"""Which clips are shown."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emospeech.experiments.reporting.errors import chosen


def clips(*rows):
    return pd.DataFrame(rows, columns=["truth", "prediction", "p", "p_truth"]).assign(id=range(len(rows)))


def test_by_hand():
    found = chosen(
        clips(
            ("joy", "fear", 0.60, 0.30),  # 0: no surer error is left
            ("joy", "fear", 0.55, 0.01),  # 1: the truth is least likely here
            ("joy", "anger", 0.90, 0.05),  # 2
            ("joy", "joy", 0.80, 0.80),  # 3
            ("joy", "joy", 0.95, 0.95),  # 4
            ("fear", "fear", 0.70, 0.70),  # 5
            (None, "joy", 0.99, None),  # 6: nobody knows
        ),
        5,
    )
    assert found == {"worst": [1, 2], "sure": [0], "right": [5, 4]}, "of each class one before a second of any"


def test_few_errors_leave_room_for_right_ones():
    rows = clips(("joy", "fear", 0.6, 0.3), *(("joy", "joy", 0.5 + k / 100, 0.5) for k in range(20)))
    found = chosen(rows, 9)
    assert [len(own) for own in found.values()] == [1, 0, 8]
    all_but_one = clips(("joy", "joy", 0.6, 0.6), *(("joy", "fear", 0.5 + k / 100, 0.4) for k in range(20)))
    assert [len(own) for own in chosen(all_but_one, 9).values()] == [4, 4, 1]


def test_none_where_nothing_is_known():
    assert chosen(clips(("joy", "fear", None, None)), 9) == {"worst": [], "sure": [], "right": []}


labels = st.sampled_from(["joy", "fear", "anger"])
chance = st.floats(0, 1)


@given(st.lists(st.tuples(labels, labels, chance, chance), max_size=30), st.integers(0, 24))
def test_laws(rows, count):
    frame = clips(*rows)
    found = chosen(frame, count)
    every = [k for own in found.values() for k in own]
    assert len(every) == len(set(every)) <= count
    assert len(every) == min(count, len(frame))
    wrong = frame["truth"] != frame["prediction"]
    assert all(wrong[k] for k in found["worst"] + found["sure"])
    assert not any(wrong[k] for k in found["right"])
    if found["worst"]:
        assert frame["p_truth"][found["worst"]].max() <= frame["p_truth"][wrong].drop(found["worst"]).min() or len(
            found["worst"]
        ) == int(wrong.sum())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_are_few(count):
    rows = clips(*(("joy", "fear", 0.6, 0.3) for _ in range(9)))
    assert sum(map(len, chosen(rows, count).values())) <= count
