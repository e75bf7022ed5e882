"""The challenge's file: every fault is found before it is written, and the table's order is kept."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.data import table
from emospeech.labels import EMOSPEECH2024
from emospeech.outputs import submission
from emospeech.runtime.errors import UserError

IDS = ["c.mp3", "a.mp3", "b.mp3"]


@pytest.fixture
def predictions():
    return pd.DataFrame(
        {"id": ["a.mp3", "b.mp3", "c.mp3"], "label": ["joy", "fear", "anger"], "p_joy": [0.9, 0.2, 0.1]}
    )


def write(predictions, path, ids=IDS):
    submission.write(predictions, ids, EMOSPEECH2024, path)


def test_the_file_byte_by_byte(predictions, tmp_path):
    write(predictions, tmp_path / "deep" / "s.csv")
    assert (tmp_path / "deep" / "s.csv").read_bytes() == b"id,label\nc.mp3,anger\na.mp3,joy\nb.mp3,fear\n"


def test_never_overwrites(predictions, tmp_path):
    (tmp_path / "s.csv").write_text("precious")
    with pytest.raises(UserError, match=r"s\.csv exists already; remove it first, or give another -o"):
        write(predictions, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "precious"


@pytest.mark.parametrize(
    ("change", "ids", "says"),
    [
        (lambda p: p[:2], IDS, r"1 ids of the table have no prediction: c\.mp3"),
        (lambda p: p, [*IDS, "d.mp3"], r"1 ids of the table have no prediction: d\.mp3"),
        (lambda p: p, IDS[:2], r"1 predicted ids are not in the table: b\.mp3"),
        (lambda p: pd.concat([p, p[:1]]), IDS, r"1 ids are predicted more than once: a\.mp3"),
        (lambda p: p.replace("fear", "Fear"), IDS, r"unknown label 'Fear'; known: neutral, disgust, anger"),
        (lambda p: p.replace("fear", ""), IDS, r"unknown label ''"),
        (lambda p: p.assign(label=[None, "joy", "joy"]), IDS, r"unknown label '(None|nan)'"),
        (lambda p: p, [*IDS, "a.mp3"], r"1 ids are in the table more than once: a\.mp3"),
        (lambda p: p.assign(id=p["id"].str.removesuffix(".mp3")), IDS, r"3 ids of the table have no prediction: c\.mp"),
    ],
    ids=["missing", "table has more", "foreign", "doubled", "unknown", "empty", "none", "doubled in table", "renamed"],
)
def test_faults(change, ids, says, predictions, tmp_path):
    with pytest.raises(UserError, match=f"(?s)^the submission does not fit the test table of {len(ids)} rows.*{says}"):
        write(change(predictions), tmp_path / "s.csv", ids)
    assert not (tmp_path / "s.csv").exists()


def test_all_faults_at_once(predictions):
    wrong = pd.concat([predictions, predictions[:1]]).replace({"c.mp3": "x.mp3", "fear": "terror"})
    assert submission.faults_of(wrong, IDS, EMOSPEECH2024) == [
        "1 ids of the table have no prediction: c.mp3",
        "1 predicted ids are not in the table: x.mp3",
        "1 ids are predicted more than once: a.mp3",
        "unknown label 'terror'; known: neutral, disgust, anger, sadness, joy, fear",
    ]


def test_a_large_table_is_checked_at_once():
    """The check is linear: fifty thousand rows in well under the seconds a quadratic one takes."""
    import time

    ids = [f"{k}.mp3" for k in range(50_000)]
    began = time.process_time()
    assert submission.faults_of(pd.DataFrame({"id": ids, "label": "joy"}), ids, EMOSPEECH2024) == []
    assert time.process_time() - began < 3


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(8)), st.lists(st.sampled_from(EMOSPEECH2024), min_size=8, max_size=8))
def test_whatever_the_order_each_id_keeps_its_label(tmp_path_factory, order, labels):
    path = tmp_path_factory.mktemp("s") / "s.csv"
    given_rows = pd.DataFrame([(f"{k}", labels[k]) for k in order], columns=["id", "label"])
    submission.write(given_rows, [str(k) for k in range(8)], EMOSPEECH2024, path)
    back = submission.read(path)
    assert back["id"].tolist() == [str(k) for k in range(8)]
    assert back["label"].tolist() == labels


# -- scoring a submission ----------------------------------------------------------------------------------------


def test_read_keeps_text_and_drops_the_line(tmp_path):
    (tmp_path / "p.csv").write_text("id,label,p_joy\n007,joy,0.5\n")
    assert submission.read(tmp_path / "p.csv").to_dict("records") == [{"id": "007", "label": "joy", "p_joy": "0.5"}]
    (tmp_path / "q.csv").write_text("id,emotion\n007,joy\n")
    with pytest.raises(UserError, match="no column label"):
        submission.read(tmp_path / "q.csv")


@pytest.fixture
def gold():
    return pd.DataFrame({"id": IDS, "label": ["anger", "joy", "joy"]})


def test_aligned_in_gold_order(predictions, gold):
    assert submission.aligned(predictions, gold) == (["anger", "joy", "joy"], ["anger", "joy", "fear"])


def test_aligned_refuses_another_set_of_clips(predictions, gold):
    with pytest.raises(UserError, match=r"(?s)s\.csv and the gold table are not about the same clips.*1 predicted ids"):
        submission.aligned(predictions, gold[:2], "s.csv")


def test_aligned_refuses_a_gold_clip_that_counts_twice(predictions, gold):
    with pytest.raises(UserError, match="1 ids are in the table more than once: c"):
        submission.aligned(predictions, pd.concat([gold, gold[:1]]))


def test_aligned_refuses_empty_labels(predictions, gold):
    with pytest.raises(UserError, match=r"the gold table has no label for 1 ids: b\.mp3"):
        submission.aligned(predictions, gold.assign(label=["anger", "joy", ""]))
    with pytest.raises(UserError, match="unknown label ''"):
        submission.aligned(predictions.assign(label=["joy", "", "joy"]), gold)


def test_label_order():
    assert submission.label_order(["joy"], ["anger"]) == EMOSPEECH2024
    assert submission.label_order(["joy", "surprise"], ["anger"]) == ("anger", "joy", "surprise")


def test_what_is_written_can_be_read_as_a_table(predictions, tmp_path):
    write(predictions, tmp_path / "s.csv")
    assert table.read(tmp_path / "s.csv", ["id", "label"], "a submission")["line"].tolist() == [2, 3, 4]
