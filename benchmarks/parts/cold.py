"""An epoch from a store whose pages are not in memory, against one whose pages are."""

import ctypes
import gc
import itertools
import mmap
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import network
import stores
from measuring import Report, Row, Setting, compared, period

from emospeech.encoders.store.folder import shard_paths
from emospeech.models.classifier import EmotionNetwork


@dataclass(frozen=True)
class Plan:
    clips: int
    mean: float  # seconds
    crop: float
    rounds: int = 3


PLANS = {False: Plan(96, network.MEAN_SECONDS, network.CROP_SECONDS), True: Plan(32, 0.8, 0.5, rounds=2)}


def run(setting: Setting) -> Report:
    plan = PLANS[setting.quick]
    encoder = network.speech_encoder(setting.quick)
    frames = [encoder.frames(round(s * network.SAMPLE_RATE)) for s in network.lengths(plan.clips, plan.mean)]
    store = stores.feature_set(setting.folder, "speech", "cold")
    setting.say(f"writing a store of {plan.clips} clips")
    stores.fill({"fp16": store}, encoder.depth, frames, encoder.width)
    net = EmotionNetwork(network.classifier((encoder.depth, encoder.width), encoder.width))
    step = network.trainer(net, setting.device)
    crop = encoder.frames(round(plan.crop * network.SAMPLE_RATE))
    works = {"training": lambda batch: step([batch]), "reading alone": copied}
    seconds: dict[tuple[str, bool], list[float]] = {}
    left = []
    for number, (name, work), cold in itertools.product(range(plan.rounds + 1), works.items(), (True, False)):
        if cold:
            left.append(dropped(shard_paths(store.path)))
        took, size = epoch_of(store, plan.clips, crop, work)
        if number:  # the first round warms everything else up
            seconds.setdefault((name, cold), []).append(took)
            setting.say(f"round {number}: {name}, {'cold' if cold else 'warm'} {period(took)}")
    return _report(plan, seconds, size, statistics.mean(left))


def epoch_of(store: Any, clips: int, crop: int, work: Any) -> tuple[float, int]:
    """Seconds of an epoch, and the bytes of the states that it draws; the store is mapped for no longer than that."""
    of = stores.dataset([(one,) for one in stores.entries(store, clips)], None, stores.crops(crop))
    began, size = time.perf_counter(), 0
    for batch in stores.epoch(of, clips):
        size += sum(one.nbytes for one in batch.stored.speech.utterances)
        work(batch)
    return time.perf_counter() - began, size


def copied(batch: Any) -> None:
    for one in batch.stored.speech.utterances:
        one.values.clone()


def _report(plan: Plan, seconds: dict[tuple[str, bool], list[float]], size: int, left: float) -> Report:
    steps = -(-plan.clips // network.BATCH)
    rows: list[Row] = []
    notes = []
    for name in ("training", "reading alone"):
        cold, warm = ([took / steps for took in seconds[name, state]] for state in (True, False))
        rows.append(compared(f"a step from a cold page cache / from a warm one: {name}", cold, warm))
        rates = [size / steps / statistics.median(each) / 1e9 for each in (cold, warm)]
        notes.append(f"{name} {rates[0]:.2g} GB/s cold, {rates[1]:.2g} GB/s warm")
    told = f"cold: {size / 1e9:.2g} GB drawn an epoch; " + "; ".join(notes)
    if left > 0.05:
        told += f"; the kernel kept {left:.0%} of the pages that it was asked to drop, so cold is not cold"
    return Report(rows, [told])


def dropped(paths: Iterable[Path]) -> float:
    """Ask the kernel to forget the files' pages; the share of them that is still in memory."""
    gc.collect()  # pages that are mapped would stay
    kept, pages = 0, 0
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            own, all_of_it = in_memory(handle)
        finally:
            os.close(handle)
        kept, pages = kept + own, pages + all_of_it
    return kept / max(pages, 1)


def in_memory(handle: int) -> tuple[int, int]:
    """Pages of a file that are in memory, and all of them."""
    size = os.fstat(handle).st_size
    with mmap.mmap(handle, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
        pages = -(-size // mmap.PAGESIZE)
        flags = (ctypes.c_ubyte * pages)()
        place = ctypes.c_char.from_buffer(mapped)
        ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(place)), ctypes.c_size_t(size), flags)
        del place
        return sum(flag & 1 for flag in flags), pages
