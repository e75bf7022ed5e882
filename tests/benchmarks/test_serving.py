"""`serving.py` works with encoders of no size; how fast they answer says nothing."""

import json

import pytest

from .conftest import output_of


@pytest.mark.slow
def test_both_servers_are_asked_and_agree(tmp_path):
    found = tmp_path / "found.json"
    words = ("--full-size", "--tiny", "--seconds", "1", "--rounds", "1", "--clients", "1,4", "--json", str(found))
    said = output_of("serving.py", *words)
    measured = json.loads(found.read_text(encoding="utf-8"))
    assert set(measured) == {"batched", "one by one"}
    for server in measured.values():
        assert set(server["clients"]) == {"1", "4"}
        phases = [phase for rounds in server["clients"].values() for phase in rounds]
        assert all(phase["rate"] > 0 and set(phase["statuses"]) == {"200"} for phase in phases)
        assert all(set(phase["statuses"]) <= {"200", "429"} for phase in server["overload"].values())
    single = measured["one by one"]["clients"]
    assert all(phase["mean_batch"] == 1 for rounds in single.values() for phase in rounds)
    assert "probabilities of a clip, in a batch and by itself, differ by at most" in said
