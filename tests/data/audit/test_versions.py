"""Another version of a table."""

import pandas as pd
import pytest

from emospeech.runtime.errors import UserError


def test_a_table_that_is_the_same(clean, findings):
    found = findings(clean, with_audio=False, other=("v1", clean))
    assert not {check for check in found if "changed" in check or "then" in check}


def test_what_was_changed_and_what_it_would_have_meant(clean, findings):
    test, train = clean.index[clean["split"] == "test"], clean.index[clean["split"] == "train"]
    first = clean.copy()
    first.loc[test[0], "transcription"] = first.loc[train[0], "transcription"]
    first.loc[test[1], "transcription"] = "y ya no " * 20
    first.loc[test[2], "transcription"] = clean.loc[test[2], "transcription"].upper()
    first.loc[train[1], "label"] = "fear"
    found = findings(clean, with_audio=False, other=("v1", first))
    assert (
        found["changed transcription"][0].sentence
        == "3 of 180 rows have another transcription in v1, 2 of them other words"
    )
    assert found["changed label"][0].details["there"].tolist() == ["fear"]
    assert [one.count for one in found["same transcript, then"]] == [1, 1], "train | test, train+dev | test"
    assert found["repetition loop, then"][0].details["id"].tolist() == [clean.loc[test[1], "id"]]
    assert "same transcript" not in found


def test_rows_that_one_of_them_lacks(clean, findings):
    found = findings(clean.head(150), with_audio=False, other=("v1", clean.tail(40)))
    assert found["other version"][0].count == 30
    assert not any("changed" in check for check in found)


def test_a_table_without_labels_says_nothing_of_labels(clean, findings):
    assert "changed label" not in findings(clean, with_audio=False, other=("v1", clean.assign(label=pd.NA)))


def test_another_table_altogether(clean, findings):
    with pytest.raises(UserError, match=r"v1 has none of the ids under audit \(clip000, clip001"):
        findings(clean, with_audio=False, other=("v1", clean.assign(id="x" + clean["id"])))
