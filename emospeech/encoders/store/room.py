"""How large features will be, where they fit, and what would make them smaller: said before any work."""

import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emospeech.encoders.store.packed import bytes_per_frame
from emospeech.runtime.errors import UserError

GB = 1e9
SPARE_DISK = 2 * GB  # never filled: logs, checkpoints, other people
SPARE_SHARE = 0.05  # nor this share of what is free
HOST_SHARE = 0.6  # of the memory that is free now
GPU_SHARE = 0.75  # the rest is for the head and its activations
VIEWS = (4, 2)  # of each training clip where the recipe augments, as there is room


@dataclass(frozen=True)
class Demand:
    """What a recipe wants kept."""

    train_frames: int  # of speech, one view
    other_frames: int  # of speech that is never augmented
    layers: int
    width: int
    text_bytes: int
    utterances: int  # rows, doubles included
    augmented: bool  # whether training clips have augmented views


@dataclass(frozen=True)
class Variant:
    """One way to keep it."""

    mode: str  # layers, mixed
    views: int
    dtype: str
    stride: int

    def speech_bytes(self, demand: Demand) -> int:
        """Of all speech, augmented views included."""
        layers = 1 if self.mode == "mixed" else demand.layers
        frames = demand.train_frames * self.views + demand.other_frames
        return -(-frames // self.stride) * bytes_per_frame(self.dtype, layers, demand.width)

    def bytes(self, demand: Demand) -> int:
        return self.speech_bytes(demand) + demand.text_bytes


@dataclass(frozen=True)
class Room:
    """What is free, in bytes."""

    disk: float  # 0: the folder cannot be written
    host: float
    gpu: float  # 0: no GPU computes


@dataclass(frozen=True)
class Choice:
    """How features are kept, and where they lie while training reads them."""

    variant: Variant
    written: bool
    device: str  # disk, cpu, cuda


def choose(
    wanted: Any, demand: Demand, room: Room, missing: Callable[[Variant], float]
) -> tuple[Choice, Sequence[Variant]]:
    """The first variant that fits, and those before it that did not.

    Args:
        wanted: the recipe's `cache`.
        missing: bytes of a variant that are not on disk yet.

    Raises:
        UserError: if none fits; it says what each would take.
    """
    if wanted.device == "cuda" and not room.gpu:
        raise UserError("cache.device: cuda, but no GPU computes here")
    missing = functools.cache(missing)
    passed: list[Variant] = []
    possible = list(variants(wanted, demand))
    there = [variant for variant in possible if wanted.write is not False and missing(variant) == 0]
    for variant in [*there[:1], *possible]:  # what an earlier command has stored whole comes first
        size = variant.bytes(demand)
        in_host, in_gpu = size <= room.host * HOST_SHARE, size <= room.gpu * GPU_SHARE
        lacking = missing(variant)
        on_disk = wanted.write is not False and (
            lacking == 0 or lacking <= room.disk - max(SPARE_DISK, SPARE_SHARE * room.disk)
        )
        device = _device(wanted.device, on_disk, in_host, in_gpu)
        if device is not None and (on_disk or wanted.write is not True):
            return Choice(variant, on_disk, device), passed
        passed.append(variant)
    raise _no_room(wanted, demand, room, passed)


def variants(wanted: Any, demand: Demand) -> Iterator[Variant]:
    """What the recipe allows, the best first: all layers, then their sum; more views, then fewer."""
    several = demand.layers > 1
    modes = {"auto": ("layers", "mixed") if several else ("layers",), "mixed": ("mixed",) if several else ("layers",)}
    if not demand.augmented:
        views: Sequence[int] = (1,)
    else:
        views = VIEWS if wanted.views == "auto" else (wanted.views,)
    for mode in modes.get(wanted.mode, ("layers",)):
        for count in views:
            yield Variant(mode, count, wanted.dtype, wanted.frame_stride)


def _device(wanted: str, on_disk: bool, in_host: bool, in_gpu: bool) -> str | None:
    """Where features lie in training; None: they do not fit there."""
    possible = {"cuda": in_gpu, "disk": on_disk, "cpu": in_host}
    if wanted != "auto":
        return wanted if possible[wanted] else None
    return next((device for device, fits in possible.items() if fits), None)


def _no_room(wanted: Any, demand: Demand, room: Room, tried: Sequence[Variant]) -> UserError:
    last = tried[-1]
    smaller = {
        "cache.mode=mixed": replace(last, mode="mixed"),
        "cache.views=1": replace(last, views=1),
        "cache.dtype=int8": replace(last, dtype="int8"),
        "cache.frame_stride=2": replace(last, stride=2 * last.stride),
    }
    less = [
        f"{word} {size(variant.bytes(demand))}"
        for word, variant in smaller.items()
        if variant.bytes(demand) < last.bytes(demand)
    ]
    places = (
        f"{f'disk {size(room.disk)}' if room.disk else 'the folder cannot be written'}, memory {size(room.host)}"
        + (f", GPU {size(room.gpu)}" if room.gpu else "")
    )
    options = "; ".join([*less, "less with fewer speech.layers"])
    return UserError(
        f"cache: there is no room for the features: {size(last.bytes(demand))} at least, as the recipe asks "
        f"(free: {places}; a part of each is left alone). It would be {options}. "
        "Or choose another disk with cache.folder=…, or run the encoders in every epoch with cache=null"
    )


def size(count: float) -> str:
    """Bytes for people.

    >>> size(84_600_000_000), size(1_500_000)
    ('84.6 GB', '1.5 MB')
    """
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def free(folder: Path, writable: bool, device: Any, processes: int = 1) -> Room:
    """What there is now, for each of `processes` on this machine."""
    import psutil
    import torch

    existing = next(path for path in (folder, *folder.parents) if path.exists())
    disk = float(shutil.disk_usage(existing).free) if writable else 0.0
    gpu = float(torch.cuda.mem_get_info(device)[0]) if torch.device(device).type == "cuda" else 0.0
    host = min([float(psutil.virtual_memory().available), *_limits()])
    return Room(disk, host / processes, gpu)


def _limits() -> Iterator[float]:
    """What a job's control group has left; a scheduler gives it less than the machine has."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        old = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        names = old if controllers else ("memory.max", "memory.current")
        base = Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
        try:
            limit, used = (base.joinpath(name).read_text(encoding="ascii").strip() for name in names)
            if limit.isdigit() and int(limit) < 1 << 60:
                yield float(max(int(limit) - int(used), 0))
        except (OSError, ValueError):
            continue
