"""Whole-or-nothing writes: a reader sees the old file or the new one, never half of one."""

import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from emospeech.runtime.errors import UserError

HASHING_THREADS = 8
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}(\.\w+)?")  # as tempfile makes names for the two below


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on a clean exit it takes the place of `path`, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _give_ordinary_rights(temporary, 0o666)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: filled under a temporary name, then put in the place of `path`.

    An old folder steps aside whole before the new one takes its name, so that no half of either is ever seen.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    former = temporary.with_name(f"{temporary.name}.former")
    try:
        yield temporary
        _give_ordinary_rights(temporary, 0o777)
        if path.exists():
            path.replace(former)
        temporary.replace(path)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed writers have left unfinished below a folder into which nobody else writes now."""
    for path in sorted(folder.rglob(".*")):
        if not TEMPORARY.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # in a folder that has gone


def _give_ordinary_rights(path: Path, mode: int) -> None:
    """tempfile makes things private; give them the rights that an ordinary new file or folder would have."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def write_json(path: Path, value: Any) -> None:
    write_text(path, as_json(value))


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_all(files: Mapping[Path, bytes]) -> None:
    """New files that belong together: all of them, or none. None may exist yet."""
    try:
        with ExitStack() as stack:
            for path, content in files.items():
                stack.enter_context(replacing(path)).write_bytes(content)
    except BaseException:  # Ctrl-C between two of them, too
        for path in files:
            path.unlink(missing_ok=True)
        raise


def refuse_existing(path: Path, remedy: str = "name another file, or remove it first") -> None:
    """Before the work that makes a result: it must not overwrite one, and its folder must be one that can be written.

    Raises:
        UserError: if `path` exists, or cannot come to exist.
    """
    try:
        if path.exists():
            raise UserError(f"{path} exists already; {remedy}")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another file") from None
    refuse_unwritable(path)


def refuse_unwritable(path: Path) -> None:
    """Before the work that makes a result: its folder must be one that can be written; it is made where it is not.

    Raises:
        UserError: if it is not.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise UserError(f"cannot write {path}: no right to write into {path.parent}")
        with tempfile.TemporaryFile(dir=path.parent):  # root may write everywhere but into the likes of /proc
            pass
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another file") from None


def content_hashes(paths: Iterable[str]) -> dict[str, str]:
    """Path -> `content_hash` of the file."""
    different = sorted(set(paths))
    with ThreadPoolExecutor(HASHING_THREADS) as pool:  # hashing lets go of the interpreter
        return dict(zip(different, pool.map(lambda path: content_hash(Path(path)), different), strict=True))


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; a file that has not changed is read once in a program."""
    seen = path.stat()
    return _hash_of(path, seen.st_ino, seen.st_mtime_ns, seen.st_size)


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of all files below a folder, in hexadecimal."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    told = "".join(f"{path.relative_to(folder).as_posix()}\0{content_hash(path)}\n" for path in files)
    return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()


@functools.lru_cache(maxsize=1 << 18)  # a server meets new files for months
def _hash_of(path: Path, *version: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
