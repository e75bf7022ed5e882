"""Tables as people have them: encodings, quoting, missing-value words, and complaints that name the line."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.data import table
from emospeech.runtime.errors import UserError


@pytest.fixture
def read(tmp_path):
    def read(content, required=("id",)):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return table.read(path, required, "a table")

    return read


SPANISH = "id,transcription\na,¿Qué pasó, mañana?\nb,“Ñandú”\n"


@pytest.mark.parametrize(
    "content",
    [
        'id,transcription\na,"¿Qué pasó, mañana?"\nb,“Ñandú”\n'.encode(),
        '\ufeffid,transcription\na,"¿Qué pasó, mañana?"\nb,“Ñandú”\n'.encode(),
        'id,transcription\na,"¿Qué pasó, mañana?"\nb,“Ñandú”\n'.encode("cp1252"),
        'id,transcription\r\na,"¿Qué pasó, mañana?"\r\nb,“Ñandú”\r\n'.encode(),
        'id,transcription\ra,"¿Qué pasó, mañana?"\rb,“Ñandú”'.encode(),
        '\n id , transcription\n\na,"¿Qué pasó, mañana?"\n,\nb,“Ñandú”\n\n'.encode(),
        'id,transcription,,\na,"¿Qué pasó, mañana?",,\nb,“Ñandú”,,\n'.encode(),
    ],
    ids=["utf-8", "bom", "windows-1252", "crlf", "cr", "blank lines", "empty columns"],
)
def test_the_same_table_however_it_is_written(content, read):
    frame = read(content)
    assert frame.drop(columns="line").to_dict("list") == {
        "id": ["a", "b"],
        "transcription": ["¿Qué pasó, mañana?", "“Ñandú”"],
    }


def test_latin_1(read):
    assert read("id,t\na,señor\n".encode("latin-1"))["t"].tolist() == ["señor"]


def test_nothing_is_taken_for_a_missing_value(read):
    words = ["NA", "null", "nan", "None", "N/A", "-1.#IND", "0012", "1e5", "TRUE", " x ", ""]
    frame = read("id,t\n" + "".join(f"{k},{word}\n" for k, word in enumerate(words)))
    assert frame["t"].tolist() == words
    assert frame["id"].tolist() == [str(k) for k in range(len(words))]


def test_lines_count_quoted_line_breaks(read):
    frame = read('id,t\na,"one\ntwo\nthree"\n\nb,"x ""y"" z"\nc,plain\n')
    assert frame["t"].tolist() == ["one\ntwo\nthree", 'x "y" z', "plain"]
    assert frame["line"].tolist() == [2, 6, 7]


def test_ragged_rows_are_all_named(read):
    with pytest.raises(UserError, match=r"t\.csv: rows with another number.*header's 2; quote") as error:
        read("id,t\na,b\nb,Hola, amigo\nc\nd,e\n")
    assert str(error.value).splitlines()[1:] == ["  - line 3: 3 fields", "  - line 4: 1 fields"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"t\.csv is empty; a table has the columns id"),
        (b"\n\n", r"t\.csv is empty"),
        (b"\xef\xbb\xbf", r"t\.csv is empty"),
        (b"id,t\n", r"t\.csv has a header but no rows"),
        (b"id,t\n\n,\n", r"t\.csv has a header but no rows"),
        (b"name,t\na,b\n", r"t\.csv: no column id \(found: name, t\); a table has the columns id"),
        (b"id;t\na;b\n", r"no column id \(found: id;t, separated by ';': save it with commas\)"),
        (b"id\tt\na\tb\n", r"separated by '\\t': save it with commas"),
        (b"id,t,t\na,b,c\n", r"t\.csv: column t is there twice"),
        (b"id,t\na,\x00\n", r"t\.csv is not a text file in UTF-8 or Latin-1; save it as CSV in UTF-8"),
        (SPANISH.encode("utf-16"), r"t\.csv is not a text file"),
        (b"PK\x03\x04\x14\x00\x06\x00", r"t\.csv is not a text file"),
        (b'id,t\na,b\nc,"open\nd,e\n', r"t\.csv, line 3: not a CSV row"),
        (b'id,t\na,b\nc,"open\n' + b"d,e\n" * 50_000, r"t\.csv, line 3: not a CSV row"),
        (b'id,t\na,"b"c\n', r"t\.csv, line 2: not a CSV row"),
    ],
)
def test_what_is_not_a_table_is_told_apart(content, says, read):
    with pytest.raises(UserError, match=says):
        read(content)


def test_one_broken_byte_does_not_turn_the_rest_into_gibberish(read):
    """Else a single bad byte would make "Ã±" of every ñ, and the model would train on it."""
    with pytest.raises(UserError, match=r"t\.csv, line 3: a byte that is not UTF-8, in a file that otherwise is"):
        read("id,t\na,mañana señor\n".encode() + b"b,ma\xf1ana\n" + "c,niño\n".encode())


def test_a_folder_or_nothing(tmp_path):
    with pytest.raises(UserError, match=r"is a folder; expected a table, a CSV file"):
        table.read(tmp_path, ["id"], "a table")
    with pytest.raises(UserError, match=r"no file .*absent\.csv; expected a table"):
        table.read(tmp_path / "absent.csv", ["id"], "a table")


def test_check_ids(read):
    frame = read('id,t\na,1\nb,2\n" ",3\na,4\n"",5\na,6\n')
    assert table.check_ids(frame) == [
        "line 4: the id is empty",
        "line 6: the id is empty",
        "id 'a' is there 3 times: lines 2, 5, 7",
    ]


def test_check_choice(read):
    frame = read("id,label\na,joy\nb,Joy\nc,\n")
    assert table.check_choice(frame, "label", ["joy", "fear"]) == ["line 3: unknown label 'Joy'; known: joy, fear"]
    assert table.check_choice(frame, "absent", ["joy"]) == []


def test_check_seconds(read):
    frame = read("id,s\na,1.5\nb,0\nc,\nd,-1\ne,inf\nf,nan\ng,1:20\n")
    assert [fault.split(":")[0] for fault in table.check_seconds(frame, "s")] == [
        "line 3",
        "line 5",
        "line 6",
        "line 7",
        "line 8",
    ]
    assert table.check_seconds(frame, "absent") == []


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\ufffd"), max_size=12)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.text("abc ñ,\"'", min_size=1).filter(str.strip), texts), min_size=1, max_size=6))
def test_what_is_written_reads_back(tmp_path_factory, rows):
    """Commas, quotes, every kind of line break: what a transcript may hold."""
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    frame = pd.DataFrame(rows, columns=["id", "t"], dtype=object)
    path.write_bytes(table.as_csv(frame).encode())
    pd.testing.assert_frame_equal(table.read(path, ["id"], "a table").drop(columns="line"), frame)


def test_missing_values_are_written_as_empty_fields():
    frame = pd.DataFrame({"id": ["a", "b"], "t": pd.Series([None, "NA"], dtype="string"), "s": [1.5, None]})
    assert table.as_csv(frame) == "id,t,s\na,,1.5\nb,NA,\n"
