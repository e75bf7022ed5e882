"""The files that challenges take: which columns, how ids are spelled, how they are packed."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

AUDIO_ENDING = ".mp3"  # of the challenge's ids


def bare_id(id: str) -> str:
    """
    >>> bare_id("791bce67-cf7eeadc.mp3"), bare_id("12.5")
    ('791bce67-cf7eeadc', '12.5')
    """
    return id.removesuffix(AUDIO_ENDING)


def id_as_it_is(id: str) -> str:
    return id


@dataclass(frozen=True)
class Format:
    """A challenge's file: `id`, and beside it one column of labels a task."""

    tasks: tuple[str, ...]
    written_id: Callable[[str], str]  # from the test table's id
    text_alone: frozenset[str] = frozenset()  # tasks that are answered without sound
    packed_as: str | None = None  # its name in the zip that the upload page takes; None: it is not zipped


FORMATS = {
    "label": Format(tasks=("label",), written_id=id_as_it_is),
    # EmoSPeech 2024: task 1 is emotion from text alone, task 2 from speech and text
    "results": Format(("task_1", "task_2"), bare_id, frozenset({"task_1"}), packed_as="results.csv"),
}
TASKS = tuple(task for form in FORMATS.values() for task in form.tasks)


def zip_beside(path: Path) -> Path:
    """
    >>> zip_beside(Path("submissions/first.csv")).name
    'first.zip'
    """
    return path.with_name(path.name.removesuffix(".csv") + ".zip")


def zipped(name: str, content: bytes) -> bytes:
    """A zip with one file at its root; the same bytes whenever it is made."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16  # without it unzip makes a file that nobody may read
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(entry, content)
    return sink.getvalue()
