"""Vectors of sound: functionals, computed on the CPU clip by clip."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from emospeech.config import Cache
from emospeech.data import audio
from emospeech.encoders import by_clip
from emospeech.encoders.store.reader import Item
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults
from emospeech.systems.features.clips import Clips, paths_of
from emospeech.systems.vectors.kept import Kept, Source, kept

REMEDY = "mend them, or choose data.on_bad_audio=drop or data.on_bad_audio=silence"


class Sounds:
    """The sound of manifests' rows, by key. A row without audio is a second of silence."""

    unit = "s of sound"

    def __init__(self) -> None:
        self.clips = Clips()
        self.paths: dict[str, str | None] = {}  # by key

    def forget(self) -> None:
        self.clips = Clips()
        self.paths.clear()

    def keys(self, manifest: pd.DataFrame) -> list[str]:
        """By row.

        Raises:
            UserError: naming the clips whose file is missing.
        """
        try:
            paths = self.clips.note(manifest)
        except OSError:
            raise unheard(manifest) or UserError("audio files went away while they were read") from None
        found = [self.clips.key(path) for path in paths]
        self.paths |= dict(zip(found, paths, strict=True))
        return found

    def have(self, into: Kept, source: Source, manifest: pd.DataFrame) -> list[str]:
        """The keys of the rows, all of whose vectors are there then.

        Raises:
            UserError: naming every clip that cannot be heard.
        """
        found = self.keys(manifest)
        try:
            into.have(found, source)
        except audio.BadAudio:
            raise unheard(manifest) or UserError("audio files changed while they were read") from None
        return found

    def waveform(self, key: str) -> Callable[[], np.ndarray]:
        return partial(audio.load_or_silence, self.paths[key])

    def seconds(self, key: str) -> float:
        return self.clips.length(self.paths[key])


def unheard(manifest: pd.DataFrame) -> UserError | None:
    """One error that names every clip that cannot be heard, if there is any."""

    def reason(path: str | None) -> str | None:
        try:
            audio.load_or_silence(path)
        except audio.BadAudio as error:
            return str(error)
        return None

    paths = paths_of(manifest)
    different = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as pool:  # libsndfile and soxr let go of the interpreter while they work
        reasons = dict(zip(different, pool.map(reason, different), strict=True))
    bad = [f"id {id}: {reasons[path]}" for id, path in zip(manifest["id"], paths, strict=True) if reasons[path]]
    title = f"{len(bad)} of {len(manifest)} clips cannot be heard; {REMEDY}"
    return faults(title, bad, limit=10) if bad else None


class SoundFeatures:
    """Functionals of each clip. See `ClipFeatures`.

    Args:
        name: of the set, as a recipe names it.
        compute: can be pickled.
        names: of the numbers that it gives.
        identity: all that decides them.
    """

    needs: Literal["audio"] = "audio"
    unit = Sounds.unit

    def __init__(
        self,
        name: str,
        compute: by_clip.Compute,
        names: Callable[[], Sequence[str]],
        identity: Mapping[str, Any],
        cache: Cache | None,
    ) -> None:
        self.what, self.compute, self.cache = name, compute, cache
        self._identity, self._names_of = dict(identity), names
        self.sounds = Sounds()
        self.names: Sequence[str] = ()

    def of(self, manifest: pd.DataFrame) -> np.ndarray:
        """See `ClipFeatures.of`."""
        self.names = [f"{self.what}:{name}" for name in self._names_of()]
        into = kept(self, self.cache)
        return into.rows(self.sounds.have(into, self, manifest))

    def forget(self) -> None:
        """See `ClipFeatures.forget`."""
        self.sounds.forget()
        kept(self, self.cache).forget()

    # ------------------------------------------------- as a source of vectors

    def identity(self) -> Mapping[str, Any]:
        return self._identity

    def about(self) -> Mapping[str, Any]:
        return {"encoder": self.what, "layers": 1, "width": len(self._names_of())}

    def item(self, key: str) -> Item:
        return Item(key, self.sounds.seconds(key), self.sounds.waveform(key))

    @contextmanager
    def reading(self, count: int) -> Iterator["ClipReader"]:
        with by_clip.processes(count) as pool:
            yield ClipReader(self.compute, pool)


class ClipReader:
    """Gives the vector of each clip, in order; those to come are being computed in the processes of a pool."""

    device = torch.device("cpu")

    def __init__(self, compute: by_clip.Compute, pool: Executor | None) -> None:
        self.compute, self.pool = compute, pool

    def read(self, items: Iterable[Item]) -> Iterator[tuple[Item, Tensor]]:
        """Each item with its vector (1, 1, D)."""
        for item, vector in self._vectors(list(items)):
            yield item, torch.as_tensor(vector, dtype=torch.float32)[None, None]

    def _vectors(self, items: Sequence[Item]) -> Iterator[tuple[Item, np.ndarray]]:
        done = 0
        if self.pool is not None:
            try:
                futures = [self.pool.submit(by_clip.computed, self.compute, item.read) for item in items]
                for item, future in zip(items, futures, strict=True):
                    yield item, future.result()
                    done += 1
                return
            except BrokenProcessPool:  # a script that starts itself again in each, or memory was short
                say("the processes that share this work ended early; it goes on in one")
                self.pool = None
        for item in items[done:]:
            yield item, by_clip.computed(self.compute, item.read)
