"""Votes as people write them, to shares."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emospeech.data.examples import votes

LABELS = ["anger", "joy", "very sad"]


@pytest.mark.parametrize(
    "text",
    [
        "joy:3 anger:1",
        "anger:1 joy:3",
        "joy=0.75;anger=0.25",
        "joy = 0.75 ; anger = 0.25;",
        "joy: 3, anger: 1",
        "joy: 3 anger: 1 very sad: 0",
        " joy:6\tanger:2 ",
        '{"joy": 3, "anger": 1}',
        '{"joy": 0.75, "anger": 0.25, "very sad": 0}',
        "joy:3e-2 anger:1e-2",
    ],
)
def test_ways_to_write_them(text):
    assert votes.shares(text, LABELS) == pytest.approx([0.25, 0.75, 0.0], abs=1e-12)


def test_names_may_hold_blanks():
    assert votes.shares("very sad:1 joy:1", LABELS) == [0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("joy:3 fear:1", "unknown label 'fear'; known: anger, joy, very sad"),
        ("joy:-1 anger:2", "not a number of votes, 0 or more: joy:-1"),
        ("joy:x anger:inf", "not a number of votes, 0 or more: joy:x, anger:inf"),
        ("joy:nan", "not a number of votes, 0 or more: joy:nan"),
        ("joy:0 anger:0", "all votes are 0"),
        ("joy:1 joy:2", "joy is there twice"),
        ("joy", "cannot read 'joy'; votes are written as joy:3 anger:1"),
        ("joy:1 anger", "cannot read 'anger'"),
        ("joy=0,7;anger=0,3", "cannot read '7;anger=0,3'"),
        ('{"joy": 3', "not a JSON object"),
        ('{"joy": true}', "not a number of votes, 0 or more: joy:True"),
        ('{"joy": [1]}', "not a number of votes, 0 or more"),
        ('{"joy": {"a": 1}}', "not a number of votes, 0 or more"),
        ('{"joy": null}', "not a number of votes, 0 or more"),
        ('{"joy": 1, "joy": 2}', "joy is there twice"),
        ("{}", "all votes are 0"),
    ],
)
def test_faults(text, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        votes.shares(text, LABELS)


def test_all_faults_of_a_field_at_once():
    with pytest.raises(ValueError, match=r"unknown label 'fear'.*anger is there twice.*0 or more: joy:-1"):
        votes.shares("fear:1 joy:-1 anger:1 anger:2", LABELS)


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any))
def test_shares_are_the_votes_over_their_sum(counts):
    text = ";".join(f"{label}={count}" for label, count in zip(LABELS, counts, strict=True))
    np.testing.assert_allclose(votes.shares(text, LABELS), np.array(counts) / sum(counts))


def test_targets_fall_back_to_the_label():
    hard = pd.Series(["joy", "joy", None, None], dtype="string")
    column = pd.Series(["joy:1 anger:3", None, "anger:1", None], dtype="string")
    expected = [[0.75, 0.25, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert votes.targets(hard, LABELS, column).tolist() == expected
    assert votes.targets(hard, LABELS).tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_faults_of_a_column_name_file_line_and_field():
    column = pd.Series(["joy:1", None, "joy:x", "joy:0"], name="votes", dtype="string")
    sources = pd.Series(["t.csv, line 2", "t.csv, line 3", "t.csv, line 4", None], dtype="string")
    assert votes.faults(column, sources, LABELS) == [
        "t.csv, line 4: votes 'joy:x': not a number of votes, 0 or more: joy:x",
        "votes 'joy:0': all votes are 0",
    ]
