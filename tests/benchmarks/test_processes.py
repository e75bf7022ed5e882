"""`processes.py` works with tiny encoders; how fast those are says nothing."""

import json

import pytest

from .conftest import output_of


@pytest.mark.slow
def test_both_take_their_turns(tmp_path):
    rates = tmp_path / "rates.json"
    words = ("--quick", "--rounds", "2", "--steps", "2", "--batch", "5", "--json", str(rates))
    lines = output_of("processes.py", *words).splitlines()
    found = json.loads(rates.read_text(encoding="utf-8"))
    assert {count: len(each) for count, each in found.items()} == {"1": 2, "2": 2}
    assert all(rate > 0 for each in found.values() for rate in each)
    low, high = sorted(two / one for one, two in zip(found["1"], found["2"], strict=True))
    assert lines[-2] == f"two over one, median of 2 rounds: {(low + high) / 2:.2f} ({low:.2f} – {high:.2f})"
