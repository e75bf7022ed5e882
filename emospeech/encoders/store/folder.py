"""A feature set: the folder in which the states of one encoder, computed in one way, are kept by content."""

import json
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from emospeech.encoders.store.keys import canonical as canonical_json
from emospeech.encoders.store.keys import digest
from emospeech.encoders.store.packed import Packed
from emospeech.encoders.store.shards import SUFFIX, DamagedShard, Shard, write
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_json
from emospeech.runtime.locks import locked

IDENTITY = "identity.json"
ABOUT = "about"  # in it: what does not tell one set from another, such as the encoder's name
LOCK = "lock"
CLAIMS = "claims"
THREADS = 4  # that compute checksums: enough for 10 GB/s, few enough to read a disk from front to back
_VERIFIED: dict[tuple[str, int, int], set[str]] = {}  # keys that this process compared with their checksums, by file


class FeatureSet:
    """What a store keeps for one identity. Nothing is written, no folder made, before the first claim or addition.

    Several processes may use, fill and prune it at once.
    """

    device = "cpu"  # of the entries that it takes

    def __init__(self, root: Path, identity: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            root: of the store.
            identity: what the features are: values for JSON; `kind` among them, which begins the folder's name.
            about: further words for people, kept beside it; sets that differ in them alone are the same.

        Raises:
            UserError: if the folder that has this identity's name is another's.
        """
        self.identity, self.about = dict(identity), dict(about or {})
        self.kind = str(identity["kind"])
        self.path = root / name_of(identity)
        self._headers: dict[Path, dict[str, int]] = {}  # of shards seen before; none changes once it is there
        self.unusable: set[Path] = set()  # shards found damaged that could not be removed
        self._held: ExitStack | None = None  # of `use`
        self._holds = False
        self._check_identity()

    def load(
        self, keys: Iterable[str], verify: bool = True, bar: Callable[[int], None] | None = None
    ) -> tuple[dict[str, Packed], list[str]]:
        """The wanted utterances that are kept, as views of mapped files.

        A damaged shard gives none of its utterances; it is removed where that is allowed, so that it is told once.

        Args:
            keys: of the utterances.
            verify: compare the checksums of what is given; without it, only damage that a file's header shows is seen.
            bar: called with the bytes of each utterance that is verified; a program verifies none twice.

        Returns:
            By key, those that are there and sound; and a sentence for each shard that is damaged or cannot be read.
        """
        wanted = set(keys)
        entries: dict[str, Packed] = {}
        lost = []
        with ThreadPoolExecutor(THREADS) as pool:
            for path in self._shards():
                found: list[str] = []
                try:
                    shard = Shard(path)
                    found += [key for key in shard.keys if key in wanted and key not in entries]
                    entries |= _read(shard, found, pool if verify else None, bar)
                except FileNotFoundError:  # pruned since the folder was listed
                    continue
                except DamagedShard as error:
                    self.unusable.add(path)
                    lost.append((path, error.reason, True, found))
                except OSError as error:
                    self.unusable.add(path)
                    lost.append((path, error.strerror or str(error), False, found))
        complaints = []
        for path, reason, damaged, found in lost:
            anew = sum(key not in entries for key in found)
            complaints.append(_complaint(path, reason, damaged, anew))
        return entries, complaints

    def index(self) -> dict[str, int]:
        """Bytes by key of what is kept, from the files' headers alone; damaged files left out."""
        kept: dict[str, int] = {}
        for path in self._shards():
            with suppress(DamagedShard, OSError):
                if path not in self._headers:
                    shard = Shard(path)
                    self._headers[path] = {key: shard.nbytes(key) for key in shard.keys}
                kept |= self._headers[path]
        return kept

    def _shards(self) -> list[Path]:
        return [path for path in shard_paths(self.path) if path not in self.unusable]

    def add(self, entries: Mapping[str, Packed]) -> Path:
        """Keep these, in a shard of their own, whose path is returned. Whole or not at all.

        Raises:
            OSError: if it cannot be written, with `errno` where that is known.
            UserError: if the folder has come to hold another identity.
        """
        with self._made():
            path = self.path / f"{uuid.uuid4().hex}{SUFFIX}"
            write(path, entries)
            return path

    def writable(self) -> bool:
        """Can shards be added? Found out by making a file, as rights alone do not tell."""
        folder = self.path
        try:
            while not folder.exists() and folder != folder.parent:
                folder = folder.parent
            with tempfile.TemporaryFile(dir=folder):
                return True
        except OSError:
            return False

    @contextmanager
    def claim(self, unit: str) -> Iterator[bool]:
        """Claim a unit of work, that no other process does it too. Gives False if another one has it.

        The claim ends with the context, or with the process. Where there are no locks it is granted to everybody: work
        may be done twice then, but nothing is mixed.
        """
        assert "/" not in unit, unit
        with ExitStack() as stack:
            with suppress(OSError):  # nothing can be written here; whoever adds something will be told
                stack.enter_context(self._made())
                (self.path / CLAIMS).mkdir(exist_ok=True)
            yield stack.enter_context(locked(self.path / CLAIMS / f"{unit}.lock")) is not False

    @contextmanager
    def use(self) -> Iterator[None]:
        """While in it, nobody prunes the set; one that does not exist yet is held from the first claim or addition on.

        Notes the time as that of its last use.
        """
        with ExitStack() as held:
            outer = self._held, self._holds
            self._held, self._holds = held, False
            try:
                self._hold()
                yield
            finally:
                self._held, self._holds = outer

    def _hold(self) -> None:
        if self._held is not None and not self._holds and self.path.is_dir():
            self._holds = self._held.enter_context(locked(self.path / LOCK, shared=True, wait=True)) is True
            self._note_use()

    def _note_use(self) -> None:
        with suppress(OSError):  # somebody else's, or read-only
            (self.path / LOCK).touch()

    @contextmanager
    def _made(self) -> Iterator[None]:
        """The folder with its identity, held so that nobody prunes it."""
        with ExitStack() as stack:
            while True:
                self.path.mkdir(parents=True, exist_ok=True)
                held = stack.enter_context(locked(self.path / LOCK, shared=True, wait=True))
                if held or self.path.is_dir():  # else it was pruned before it was held
                    break
            if not self._check_identity():
                write_json(self.path / IDENTITY, self.identity | ({ABOUT: self.about} if self.about else {}))
            self._note_use()
            self._hold()
            yield

    def _check_identity(self) -> bool:
        """Is there an identity? Then it must be this one. A damaged one is as none: the folder's name tells as much."""
        try:
            found = canonical(read_identity(self.path))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        except OSError as error:
            raise UserError(f"{self.path / IDENTITY} cannot be read: {error.strerror}") from None
        if found != canonical(self.identity):
            raise UserError(
                f"{self.path} holds other features than its name says: its {IDENTITY} was changed; remove the folder"
            )
        return True


def canonical(identity: Mapping[str, Any]) -> str:
    """The same text for the same identity, whatever the order of its entries and what is told about it."""
    return canonical_json(_told(identity))


def _told(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What tells one set from another."""
    return {name: value for name, value in identity.items() if name != ABOUT}


def name_of(identity: Mapping[str, Any]) -> str:
    """The name of a set's folder.

    >>> name_of({"kind": "speech", "encoder": "a"})
    'speech-3782b0d78587ae84'
    """
    return f"{identity['kind']}-{digest(_told(identity))[:16]}"


def read_identity(folder: Path) -> dict[str, Any]:
    """
    Raises:
        OSError: if there is none, or it cannot be read.
        ValueError: if it is no identity.
    """
    identity = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    if not isinstance(identity, dict) or "kind" not in identity:
        raise ValueError("it names no kind of features")
    return identity


def _version(path: Path) -> tuple[str, int, int]:
    """A file as it is now."""
    seen = path.stat()
    return str(path), seen.st_mtime_ns, seen.st_size


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a set, without the temporary files of their writers; none if there is no such folder."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".") and path.is_file())


def _read(
    shard: Shard, keys: list[str], pool: ThreadPoolExecutor | None, bar: Callable[[int], None] | None
) -> dict[str, Packed]:
    """These of a shard, verified if there is a pool to do it in."""
    read = {key: shard.get(key) for key in keys}
    if pool is not None:
        sound = _VERIFIED.setdefault(_version(shard.path), set())
        unsure = [key for key in keys if key not in sound]
        for key, _ in zip(unsure, pool.map(lambda key: shard.check([key]), unsure), strict=True):
            if bar:
                bar(shard.nbytes(key))
        sound.update(unsure)
    return read


def _complaint(path: Path, reason: str, damaged: bool, lost: int) -> str:
    """What a person is told of a shard that gave nothing; a damaged one is removed here."""
    anew = f"{lost} of its utterances are computed anew" if lost else "what it held is computed anew when needed"
    if not damaged:  # no right to read it, say: that may pass
        return f"{path} cannot be read ({reason}), so it is not used; {anew}"
    try:
        path.unlink(missing_ok=True)
    except OSError as refused:
        return f"{path} is damaged ({reason}) and cannot be removed ({refused.strerror}), so it is not used; {anew}"
    return f"{path} was damaged ({reason}) and is removed; {anew}"
