"""Vectors of pictures: a fully connected layer of VGG-16, of the whole clip's mel spectrogram."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from emospeech.config import Cache
from emospeech.encoders.deepspectrum import weights
from emospeech.encoders.deepspectrum.encoder import DeepSpectrum
from emospeech.encoders.deepspectrum.image import at_least_a_window
from emospeech.encoders.store import keys
from emospeech.encoders.store.reader import Item, Reader
from emospeech.runtime.errors import UserError
from emospeech.systems.features.cache import in_bf16
from emospeech.systems.vectors.deep import own_device
from emospeech.systems.vectors.kept import kept
from emospeech.systems.vectors.sound import Sounds

KIND = "deep_spectrum"
SET = "deepspectrum"  # of the store: letters alone
BUDGET = {"cpu": 32.0, "cuda": 480.0}  # seconds of sound seen at once, padding included
LAYERS = ("fc1", "fc2")


@dataclass(frozen=True)
class Wanted:
    """What decides the numbers, beside the weights."""

    layer: Literal["fc1", "fc2"]
    colours: str
    size: int
    bands: int
    range_db: float | None
    width: int
    fc_width: int
    batch_norm: bool
    normalise: bool = False

    def encoder(self, name: str | None) -> DeepSpectrum:
        options = asdict(self)
        del options["layer"]
        return DeepSpectrum(weights=name, **options)

    def identity(self) -> Mapping[str, Any]:
        """What names the set; younger words only where they change numbers, so that older sets keep their names."""
        found = asdict(self)
        if not self.normalise:
            del found["normalise"]
        return found


class DeepSpectrumFeatures:
    """See `ClipFeatures`; a source of its own vectors, see `kept.Source`.

    Args:
        name: of the weights: a Hub id, file or folder; None: random ones of this seed.
        revision: the commit of a Hub id; None: the newest.
    """

    needs: Literal["audio"] = "audio"
    unit = Sounds.unit

    def __init__(self, wanted: Wanted, name: str | None, seed: int, revision: str | None, cache: Cache | None) -> None:
        """
        Raises:
            UserError: if there can be no such net.
        """
        self.wanted, self.name, self.seed, self.revision, self.cache = wanted, name, seed, revision, cache
        self.what = f"deep spectrum with {name or 'random weights'}"
        self.precise = cache or Cache()  # where nothing is kept, nets compute as they do otherwise
        try:
            with torch.device("meta"):  # shapes alone
                wanted.encoder(name)
            if name is not None and (fault := weights.name_fault(name)):
                raise UserError(fault)
        except UserError as error:
            raise UserError(f"classical.features: {KIND}: {error}") from None
        self.names = [f"{KIND}:{wanted.layer}_{k}" for k in range(wanted.fc_width)]
        self.sounds = Sounds()
        self._recorded: dict[str, str | None] | None = None

    def of(self, manifest: pd.DataFrame) -> np.ndarray:
        """See `ClipFeatures.of`."""
        into = kept(self, self.cache)
        return into.rows(self.sounds.have(into, self, manifest))

    def forget(self) -> None:
        """See `ClipFeatures.forget`."""
        self.sounds.forget()
        kept(self, self.cache).forget()

    @property
    def kind(self) -> str:
        """What its weights are told under."""
        return f"{KIND} {self.recorded()['name']}"

    def recorded(self) -> dict[str, str | None]:
        """What a saved model must tell to find the same weights again: name, revision, sha256."""
        if self._recorded is None:
            random = {"name": "random", "revision": str(self.seed), "sha256": None}
            self._recorded = random if self.name is None else weights.identity(self.name, self.revision)
        return self._recorded

    # ------------------------------------------------- as a source of vectors

    def identity(self) -> Mapping[str, Any]:
        bf16 = in_bf16(self.precise, own_device())
        return keys.identity(SET, self.recorded(), self.wanted.identity(), "fp32", 1, "bf16" if bf16 else "fp32")

    def about(self) -> Mapping[str, Any]:
        return {"encoder": f"{self.name or 'random weights'} ({KIND})", "layers": 1, "width": self.wanted.fc_width}

    def item(self, key: str) -> Item:
        read = self.sounds.waveform(key)
        return Item(key, self.sounds.seconds(key), lambda: torch.as_tensor(at_least_a_window(read())))

    @contextmanager
    def reading(self, count: int) -> Iterator[Reader]:
        device, net = own_device(), self._loaded()
        net.to(device)
        layer = LAYERS.index(self.wanted.layer)

        def encode(waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            vectors = net.connected(waveforms, mask)[layer].float()
            return vectors[:, None, None], mask.new_ones(len(vectors), 1)

        yield Reader(encode, device, in_bf16(self.precise, device), BUDGET.get(device.type, 0.0))

    def _loaded(self) -> DeepSpectrum:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = self.wanted.encoder(self.name)
        net.start(self.revision)
        return net.requires_grad_(False).eval()
