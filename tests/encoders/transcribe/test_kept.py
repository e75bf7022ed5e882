"""Transcripts on disk: killed writers, several at once, and what tells one set from another."""

import json
import signal
import subprocess
import sys
import textwrap

import pytest

from emospeech.encoders.transcribe.kept import Claims, Kept
from emospeech.encoders.transcribe.transcript import Transcript

ONE = Transcript("¡Hola! «¿qué\ttal?» 甚麼", -0.25, 0.01, 1.2, ("low_confidence",))
TWO = Transcript("", flags=("silence",))
IDENTITY = {"weights": "a" * 64, "guards": {"temperatures": (0.0, 0.2)}}


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path, "openai/whisper-tiny", IDENTITY)


def again(kept):
    """The same, in another process."""
    return Kept(kept.path.parent.parent, "openai/whisper-tiny", IDENTITY)


def test_what_was_added_is_found(kept):
    assert kept.look() == {}
    kept.add({"a": ONE, "b": TWO})
    assert kept.look() == {"a": ONE, "b": TWO} == again(kept).look()
    kept.add({"c": ONE})
    assert set(kept.look()) == {"a", "b", "c"}
    assert kept.path.name.startswith("openai--whisper-tiny-")
    assert json.loads((kept.path / "identity.json").read_text())["weights"] == "a" * 64


def test_nothing_is_made_before_the_first_line(kept):
    kept.look()
    assert not kept.path.exists()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_passed_over_and_the_next_begins_anew(kept, cut):
    kept.add({"a": ONE})
    kept.add({"b": TWO})
    kept.file.write_bytes(kept.file.read_bytes()[:-cut])
    fresh = again(kept)
    assert fresh.look() == {"a": ONE}
    fresh.add({"c": ONE})
    whole = {"b": TWO} if cut == 1 else {}  # of the line itself nothing was lost
    assert fresh.look() == again(kept).look() == {"a": ONE, "c": ONE} | whole


@pytest.mark.parametrize("junk", [b"[]", b"{}", b'{"key": 1}', b'{"key": "x", "words": 3, "flags": []}', b"\xff\xfe"])
def test_junk_is_passed_over(kept, junk):
    kept.add({"a": ONE})
    with kept.file.open("ab") as stream:
        stream.write(junk + b"\n")
    kept.add({"b": TWO})
    assert again(kept).look() == {"a": ONE, "b": TWO}


def test_half_a_line_of_a_writer_at_work_is_read_once_it_is_whole(kept):
    kept.add({"a": ONE})
    kept.look()
    line = kept.file.read_bytes().replace(b'"a"', b'"b"')
    with kept.file.open("ab", buffering=0) as stream:
        stream.write(line[:20])
        assert set(kept.look()) == {"a"}
        stream.write(line[20:])
    assert set(kept.look()) == {"a", "b"}


def test_another_name_is_the_same_set(kept):
    kept.add({"a": ONE})
    assert Kept(kept.path.parent.parent, "a copy of it", IDENTITY).look() == {"a": ONE}


@pytest.mark.parametrize("change", [{"weights": "b" * 64}, {"guards": {"temperatures": (0.0,)}}, {"version": 2}])
def test_another_model_or_other_options_are_another_set(kept, change):
    kept.add({"a": ONE})
    assert not Kept(kept.path.parent.parent, "openai/whisper-tiny", IDENTITY | change).look()


HOLD = """
    import sys
    from pathlib import Path
    from emospeech.encoders.transcribe.kept import Claims
    claims = Claims(Path(sys.argv[1]))
    print(*claims.taken(["a", "b", "c"]), flush=True)
    sys.stdin.readline()
    claims.release(["b"])
    print("released", flush=True)
    sys.stdin.readline()
"""


def test_claims_are_one_process_s_until_it_ends(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().split() == ["a", "b", "c"]
    claims = Claims(tmp_path)
    assert claims.taken(["a", "d", "b"]) == ["d"]
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    assert claims.taken(["a", "b"]) == ["b"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert claims.taken(["a", "c"]) == ["a", "c"]
    claims.close()
    assert (tmp_path / "claims").stat().st_size == 0


WRITE = """
    import sys
    from pathlib import Path
    from emospeech.encoders.transcribe.kept import Kept
    from emospeech.encoders.transcribe.transcript import Transcript
    kept = Kept(Path(sys.argv[1]), "m", {})
    for k in range(100):
        kept.add({f"{sys.argv[2]}{k}": Transcript("palabra " * 200, -0.1, 0.1, 1.0)})
"""


def test_writers_at_once_mix_no_lines(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITE), tmp_path, name]) for name in ("a", "b", "c")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(Kept(tmp_path, "m", {}).look()) == 300
