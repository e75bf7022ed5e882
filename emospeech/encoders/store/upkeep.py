"""The upkeep of a feature store: what it holds, whether that is sound, and removing what is not needed."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emospeech.encoders.store.folder import CLAIMS, IDENTITY, LOCK, name_of, read_identity, shard_paths
from emospeech.encoders.store.shards import DamagedShard, Shard
from emospeech.runtime.errors import UserError, some
from emospeech.runtime.locks import locked

DAY = 86400.0  # seconds
WEIGHTS = "layer_weights"  # that were learned on a sample, by sample
NOTES = ("heard_v*.txt", f"{WEIGHTS}/*.json")  # the first of clips found sound
SET_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}")


@dataclass(frozen=True)
class SetInfo:
    """A feature set as its folder shows it."""

    path: Path
    identity: dict[str, Any]
    utterances: int  # different ones, in sound files
    bytes: int  # on disk, damaged files included
    last_used: datetime  # with time zone
    damaged: tuple[str, ...]  # a sentence each
    unfinished: int  # bytes of temporary files, of writers at work or killed

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Checked:
    """A feature set of which every byte was read."""

    path: Path
    shards: int
    bytes: int  # of the states that were compared with their checksums
    damaged: tuple[DamagedShard, ...]
    unreadable: tuple[str, ...]  # a sentence each; that may pass, and is no reason to remove them

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Removed:
    """What pruning removed, would remove, or had to leave."""

    name: str  # of a set, or set/file
    bytes: int
    why: str
    kept: bool = False  # `why` tells what hindered its removal


def listed(root: Path) -> list[SetInfo]:
    """The sets of a store, by name; other folders and files in it are passed over."""
    found = []
    for path in _sets(root):
        with suppress(FileNotFoundError):  # somebody else removed it
            found.append(_info(path))
    return found


def verify(root: Path, names: Sequence[str] = (), bar: Callable[[int], None] | None = None) -> list[Checked]:
    """Compare every byte of the named sets, or of all, with its checksum. Nothing is removed.

    Args:
        bar: called with the bytes of each utterance.

    Raises:
        UserError: if there is no set of such a name.
    """
    return [_checked(path, bar) for path in _named(root, names)]


def remove_damaged(checked: Iterable[Checked], dry_run: bool = False) -> list[Removed]:
    """Remove the shards that `verify` found damaged; readers that have one open are not disturbed."""
    return [
        _removed([fault.path], f"{result.name}/{fault.path.name}", f"damaged: {fault.reason}", dry_run)
        for result in checked
        for fault in result.damaged
    ]


def prune(
    root: Path,
    names: Sequence[str] = (),
    unused_days: float | None = None,
    everything: bool = False,
    dry_run: bool = False,
) -> list[Removed]:
    """Remove whole sets; and, of all the others, shards whose header is damaged and what killed writers left.

    A set that another process uses stays, and is reported as kept. Links are not followed.

    Args:
        names: of sets to remove.
        unused_days: sets that were not used for so many days are removed too.
        everything: all sets are removed.
        dry_run: only tell.

    Raises:
        UserError: if there is no set of such a name.
    """
    named = set(_named(root, names)) if names else set()
    removed: list[Removed] = []
    for path in _sets(root):
        with suppress(FileNotFoundError):  # somebody else removed it
            why = "named" if path in named else "all are removed" if everything else _unused(path, unused_days)
            removed += _pruned(path, why, dry_run)
    notes = _beside(root) if everything else []
    if notes:
        removed.append(_removed(notes, "notes beside them", "all are removed", dry_run, folder=root / WEIGHTS))
    return removed


def _beside(root: Path) -> list[Path]:
    """What runs note in a store, for the next to be quicker."""
    found = [path for pattern in NOTES for path in sorted(root.glob(pattern))]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _pruned(path: Path, why: str, dry_run: bool) -> list[Removed]:
    """Remove a set if there is a reason and nobody uses it, else what is damaged or left over in it."""
    lock = path / LOCK
    # a lock file made now would make the set look used now
    hold = locked(lock) if lock.exists() or (why and not dry_run) else nullcontext(None)
    with hold as free:
        if not why:
            return list(_cleaned(path, free is True, dry_run))
        if free is False:
            used = Removed(path.name, _bytes(path.iterdir()), "in use by another process", kept=True)
            return [used, *_cleaned(path, False, dry_run)]
        return [_removed(_contents(path), path.name, why, dry_run, folder=path)]


def _unused(path: Path, days: float | None) -> str:
    """Why it is removed if it was not used for so many days; else nothing."""
    unused = (time.time() - _last_used(path)) / DAY
    return f"not used for {unused:.0f} days" if days is not None and unused > days else ""


def _cleaned(path: Path, alone: bool, dry_run: bool) -> Iterator[Removed]:
    """Without what is damaged, and without temporary files: all of them if nobody else holds the set, else old ones."""
    for shard in shard_paths(path):
        try:
            Shard(shard)
        except DamagedShard as fault:
            yield _removed([shard], f"{path.name}/{shard.name}", f"damaged: {fault.reason}", dry_run)
        except OSError:  # that may pass
            pass
    for temporary in _temporaries(path):
        with suppress(FileNotFoundError):
            if alone or time.time() - temporary.lstat().st_mtime > DAY:
                yield _removed([temporary], f"{path.name}/{temporary.name}", "its writer was killed", dry_run)


def _removed(paths: Sequence[Path], name: str, why: str, dry_run: bool, folder: Path | None = None) -> Removed:
    """Remove these files and empty folders in their order, then `folder`."""
    size = _bytes(paths)
    try:
        for path in () if dry_run else paths:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        if folder is not None and not dry_run:
            with suppress(OSError):  # somebody who waited for the lock has begun it anew, or put files into it
                folder.rmdir()
    except OSError as error:
        return Removed(name, size, f"cannot be removed: {error.strerror}", kept=True)
    return Removed(name, size, why)


def _contents(path: Path) -> list[Path]:
    """All of ours in a set's folder; what makes it a set goes last, so that a stopped removal can be repeated."""
    claims = path / CLAIMS
    own = [] if claims.is_symlink() or not claims.is_dir() else [*claims.glob("*"), claims]
    return [*shard_paths(path), *_temporaries(path), *own, path / IDENTITY, path / LOCK]


def _sets(root: Path) -> list[Path]:
    return sorted(path for path in (root.iterdir() if root.is_dir() else ()) if _is_set(path))


def _is_set(path: Path) -> bool:
    """A real folder, no link, whose name is that of the identity in it; or of a damaged one, beside our lock."""
    if SET_NAME.fullmatch(path.name) is None or not path.is_dir() or path.is_symlink():
        return False
    try:
        return name_of(read_identity(path)) == path.name
    except OSError:
        return False
    except ValueError:
        return (path / LOCK).is_file()


def _named(root: Path, names: Sequence[str]) -> list[Path]:
    known = {path.name: path for path in _sets(root)}
    unknown = [name for name in names if name not in known]
    if unknown:
        there = f"there are {some(list(known), 20)}" if known else "there are none"
        raise UserError(f"{root} holds no feature set {some(unknown)}; {there}")
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


def _info(path: Path) -> SetInfo:
    keys: set[str] = set()
    damaged = []
    for shard in shard_paths(path):
        try:
            keys.update(Shard(shard).keys)
        except DamagedShard as fault:
            damaged.append(f"{shard.name} is damaged: {fault.reason}")
        except FileNotFoundError:
            pass
        except OSError as error:
            damaged.append(f"{shard.name} cannot be read: {error.strerror}")
    identity: dict[str, Any] = {}
    try:
        identity = read_identity(path)
    except ValueError as fault:
        damaged.append(f"{IDENTITY} is damaged ({fault}); the next run that uses the set writes it anew")
    return SetInfo(
        path=path,
        identity=identity,
        utterances=len(keys),
        bytes=_bytes(shard_paths(path)),
        last_used=datetime.fromtimestamp(_last_used(path), UTC),
        damaged=tuple(damaged),
        unfinished=_bytes(_temporaries(path)),
    )


def _checked(path: Path, bar: Callable[[int], None] | None) -> Checked:
    shards, size = 0, 0
    damaged, unreadable = [], []
    for found in shard_paths(path):
        try:
            shard = Shard(found)
            shards += 1
            for key in shard.keys:
                shard.check([key])
                size += shard.nbytes(key)
                if bar:
                    bar(shard.nbytes(key))
        except DamagedShard as fault:
            damaged.append(fault)
        except FileNotFoundError:  # pruned since the folder was listed
            pass
        except OSError as error:
            unreadable.append(f"{found.name} cannot be read: {error.strerror}")
    return Checked(path, shards, size, tuple(damaged), tuple(unreadable))


def _last_used(path: Path) -> float:
    """Seconds since 1970; where no lock could be written, when the newest file was added."""
    try:
        return (path / LOCK).stat().st_mtime
    except OSError:
        return path.stat().st_mtime


def _temporaries(path: Path) -> list[Path]:
    """Files that a writer did not get to give their names; safetensors makes its own, hidden as ours are."""
    return [file for file in path.glob(".*") if file.is_file() and not file.is_symlink()]


def _bytes(paths: Iterable[Path]) -> int:
    """Of files; what has gone in the meantime counts nothing."""
    size = 0
    for path in paths:
        with suppress(OSError):
            size += 0 if path.is_dir() else path.lstat().st_size
    return size
