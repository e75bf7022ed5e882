"""An audit of rows in which nothing is wrong, and of rows that are hardly rows."""

import json

import pandas as pd
import pytest

from emospeech.data import manifest
from emospeech.data.audit import CHECKS, audit
from emospeech.runtime.errors import UserError


def test_a_clean_corpus_has_no_errors_and_no_warnings(clean):
    report = audit({"rows": clean})
    assert report.parts == {"train": 120, "dev": 30, "test": 30}
    assert {finding.check for finding in report.findings} <= {"class balance", "duration alone", "loudness alone"}
    assert {finding.severity for finding in report.findings} == {"note"}
    assert report.errors == 0
    assert not report.skipped
    assert "same transcript (train | dev, train | test, dev | test, train+dev | test)" in report.clean
    assert "0 errors, 0 warnings" in report.text()
    json.dumps(report.as_dict())


def test_parts_are_files_where_no_split_is_given(clean):
    first, second = clean[clean["split"] == "train"], clean[clean["split"] == "test"]
    report = audit({"a": first.assign(split=pd.NA), "b": second.assign(split=pd.NA)}, with_audio=False)
    assert report.parts == {"a": 120, "b": 30}
    assert "same speaker (a | b)" in report.clean


def test_one_part(clean):
    report = audit({"rows": clean.assign(split=pd.NA)}, with_audio=False)
    assert report.parts == {"rows": 180}
    assert "give several files, or a column split" in report.skipped["leaks between parts"]
    assert report.skipped["clipped"] == "not asked to listen"


def test_labels_that_are_all_unknown(clean):
    report = audit({"rows": clean.assign(label=pd.NA)}, with_audio=False)
    wanting_labels = {"class balance", "absent class", "guess by recording", "guess by speaker"}
    assert {report.skipped[name] for name in wanting_labels} == {"no row has a label"}
    assert not report.findings


def test_rows_that_have_an_id_alone():
    report = audit({"rows": manifest.make(id=["a"])})
    assert not report.findings
    assert set(report.skipped) >= set(CHECKS) - {"same id"}
    assert report.text().endswith("0 errors, 0 warnings, 0 notes")


def test_one_clip(clean):
    report = audit({"rows": clean.head(1)})
    assert {finding.check for finding in report.findings} == {"class balance"}


def test_no_rows():
    with pytest.raises(UserError, match="nothing to audit: no rows"):
        audit({"rows": manifest.make(id=[])})


def test_files_that_are_not_there_are_counted(clean, findings):
    found = findings(clean.assign(audio=clean["audio"] + ".gone"))
    assert found["missing audio"][0].count == 180
    assert found["missing audio"][0].severity == "error"
    assert "unreadable audio" not in found
