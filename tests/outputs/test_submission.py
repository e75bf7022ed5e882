"""The challenge's file: every fault is found before it is written, and the table's order is kept."""

import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.data import table
from emospeech.labels import EMOSPEECH2024
from emospeech.outputs import submission
from emospeech.outputs.formats import FORMATS
from emospeech.runtime.errors import UserError

IDS = ["c.mp3", "a.mp3", "b.mp3"]


@pytest.fixture
def predictions():
    return pd.DataFrame(
        {"id": ["a.mp3", "b.mp3", "c.mp3"], "label": ["joy", "fear", "anger"], "p_joy": [0.9, 0.2, 0.1]}
    )


def write(predictions, path, ids=IDS):
    submission.write({"label": predictions}, ids, EMOSPEECH2024, path)


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
        (lambda p: p.replace("fear", ""), IDS, r"1 ids have an empty label"),
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
    submission.write({"label": given_rows}, [str(k) for k in range(8)], EMOSPEECH2024, path)
    back = submission.read(path)
    assert back["id"].tolist() == [str(k) for k in range(8)]
    assert back["label"].tolist() == labels


def test_ids_that_lack_their_ending_are_called_so(predictions):
    with pytest.raises(UserError, match=r"the ids differ by \.mp3 alone; spell them as the table does$"):
        submission.check(bare(predictions), IDS, EMOSPEECH2024)
    with pytest.raises(UserError) as error:
        submission.check(bare(predictions)[:2], IDS, EMOSPEECH2024)
    assert "alone" not in str(error.value)


# -- the shared task's own file ---------------------------------------------------------------------------------

RESULTS = FORMATS["results"]


@pytest.fixture
def answers(predictions):
    """Text alone, then speech and text: by task."""
    return {"task_1": predictions.assign(label=["joy", "joy", "sadness"]), "task_2": predictions[::-1]}


def test_results_byte_by_byte(answers, tmp_path):
    path = tmp_path / "results.csv"
    submission.write(answers, IDS, EMOSPEECH2024, path, RESULTS)
    assert path.read_bytes() == b"id,task_1,task_2\nc,sadness,anger\na,joy,joy\nb,joy,fear\n"
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]


def test_the_zip_holds_the_same_file_at_its_root(answers, tmp_path):
    submission.write(answers, IDS, EMOSPEECH2024, tmp_path / "first.csv", RESULTS, with_zip=True)
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        assert archive.namelist() == ["results.csv"]
        assert archive.testzip() is None
        assert archive.read("results.csv") == (tmp_path / "first.csv").read_bytes()
        assert archive.getinfo("results.csv").external_attr >> 16 == 0o644, "whoever unpacks it may read it"
    submission.write(answers, IDS, EMOSPEECH2024, tmp_path / "again.csv", RESULTS, with_zip=True)
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "first.zip").read_bytes()


@pytest.mark.parametrize("there", ["s.csv", "s.zip"])
def test_neither_file_is_overwritten(there, answers, tmp_path):
    (tmp_path / there).write_text("precious")
    with pytest.raises(UserError, match=f"{there} exists already; remove it first, or give another -o"):
        submission.write(answers, IDS, EMOSPEECH2024, tmp_path / "s.csv", RESULTS, with_zip=True)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(there, "precious")]


def test_both_files_or_none(answers, tmp_path, monkeypatch):
    """The first of the two to take its place does so; then the disk fails."""
    replace, done = Path.replace, []

    def fail_at_the_second(self, target):
        if done:
            raise OSError("no space left on device")
        done.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_at_the_second)
    with pytest.raises(OSError, match="no space"):
        submission.write(answers, IDS, EMOSPEECH2024, tmp_path / "s.csv", RESULTS, with_zip=True)
    assert len(done) == 1
    assert list(tmp_path.iterdir()) == []


def test_only_the_shared_tasks_ending_is_taken_off(predictions, tmp_path):
    ids = ["a.mp3", "b.wav", "c", "d.mp3.mp3", ".mp3.x"]
    labelled = pd.DataFrame({"id": ids, "label": "joy"})
    submission.write({"task_1": labelled, "task_2": labelled}, ids, EMOSPEECH2024, tmp_path / "s.csv", RESULTS)
    assert table.read(tmp_path / "s.csv", ["id"], "x")["id"].tolist() == ["a", "b.wav", "c", "d.mp3", ".mp3.x"]


def test_ids_that_differ_by_the_ending_alone(answers, tmp_path):
    answers = {task: pd.concat([one, one[:1].assign(id="b")]) for task, one in answers.items()}
    with pytest.raises(UserError, match=r"(?s)cannot tell apart\n  - b\.mp3 and b would both be b$"):
        submission.write(answers, [*IDS, "b"], EMOSPEECH2024, tmp_path / "s.csv", RESULTS)


def test_the_faults_of_both_tasks_at_once(answers, tmp_path):
    answers["task_1"] = answers["task_1"][:2]
    answers["task_2"] = answers["task_2"].replace("fear", "panic")
    with pytest.raises(UserError) as error:
        submission.write(answers, IDS, EMOSPEECH2024, tmp_path / "s.csv", RESULTS)
    assert str(error.value).splitlines() == [
        "the submission cannot be written",
        "  - the predictions for task_1 do not fit the test table of 3 rows",
        "      - 1 ids of the table have no prediction: c.mp3",
        "  - the predictions for task_2 do not fit the test table of 3 rows",
        "      - unknown label 'panic'; known: neutral, disgust, anger, sadness, joy, fear",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_zip_is_not_what_o_names(tmp_path):
    with pytest.raises(UserError, match=r"name the CSV, as .*s\.csv; --zip puts the zip beside it"):
        submission.refuse_outputs(tmp_path / "s.zip", RESULTS, False)
    with pytest.raises(UserError, match="--zip goes with --format results"):
        submission.refuse_outputs(tmp_path / "s.csv", FORMATS["label"], True)


# -- scoring a submission ----------------------------------------------------------------------------------------


def test_read_keeps_text_and_drops_the_line(tmp_path):
    (tmp_path / "p.csv").write_text("id,label,p_joy\n007,joy,0.5\n")
    assert submission.read(tmp_path / "p.csv").to_dict("records") == [{"id": "007", "label": "joy", "p_joy": "0.5"}]
    (tmp_path / "q.csv").write_text("id,emotion\n007,joy\n")
    with pytest.raises(UserError, match="no column label"):
        submission.read(tmp_path / "q.csv")


def bare(frame):
    return frame.assign(id=frame["id"].str.removesuffix(".mp3"))


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
    with pytest.raises(UserError, match=r"1 ids have an empty label: b"):
        submission.aligned(predictions.assign(label=["joy", "", "joy"]), gold)


def test_aligned_whatever_the_ending(predictions, gold):
    """The shared task writes ids without it; in either direction each clip keeps its own label."""
    expected = (["anger", "joy", "joy"], ["anger", "joy", "fear"])
    assert submission.aligned(bare(predictions), gold) == expected
    assert submission.aligned(predictions, bare(gold)) == expected
    assert submission.aligned(bare(predictions), bare(gold)) == expected


def test_aligned_sees_a_clip_that_two_spellings_count_twice(predictions, gold):
    with pytest.raises(UserError, match=r"1 ids are in the table more than once: c\.mp3"):
        submission.aligned(predictions, pd.concat([gold, gold[:1].assign(id="c")]))
    with pytest.raises(UserError, match=r"1 predicted ids are not in the table: a$"):
        submission.aligned(pd.concat([predictions, predictions[:1].assign(id="a")]), gold)


def test_a_column_of_the_shared_tasks_file(answers, gold, tmp_path):
    path = tmp_path / "results.csv"
    submission.write(answers, IDS, EMOSPEECH2024, path, RESULTS)
    assert submission.aligned(submission.read(path, "task_1"), gold)[1] == ["sadness", "joy", "joy"]
    assert submission.aligned(submission.read(path, "task_2"), gold)[1] == ["anger", "joy", "fear"]
    with pytest.raises(UserError, match=r"results\.csv: no column label, but task_1, task_2; .* with --column"):
        submission.read(path)
    (tmp_path / "q.csv").write_text("id,emotion\na,joy\n")
    with pytest.raises(UserError, match="no column task_1"):
        submission.read(tmp_path / "q.csv", "task_1")


def test_label_order():
    assert submission.label_order(["joy"], ["anger"]) == EMOSPEECH2024
    assert submission.label_order(["joy", "surprise"], ["anger"]) == ("anger", "joy", "surprise")


def test_what_is_written_can_be_read_as_a_table(predictions, tmp_path):
    write(predictions, tmp_path / "s.csv")
    assert table.read(tmp_path / "s.csv", ["id", "label"], "a submission")["line"].tolist() == [2, 3, 4]
