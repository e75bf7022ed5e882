"""One file of a feature store: the states of many utterances, read in place, each with a checksum."""

import json
import math
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emospeech.encoders.store.packed import Packed
from emospeech.runtime.files import replacing

SUFFIX = ".safetensors"
SCALES = ".scales"  # after the key of an utterance: the name of its scales
CHECKSUMS = "crc32"  # in the file's metadata: JSON, tensor name -> CRC-32 of its bytes
KINDS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I8": torch.int8}  # by name in a header


class DamagedShard(RuntimeError):  # noqa: N818 - it names the thing, as its neighbours do
    """A file that is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def write(path: Path, entries: Mapping[str, Packed]) -> None:
    """Write a shard, whole or not at all.

    Contiguous tensors that share no storage are written from where they lie, without a second copy.

    Args:
        path: of the file; its folder is made if need be.
        entries: by key; a key may not end in `.scales`.

    Raises:
        OSError: if it cannot be written, with `errno` where that is known.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = _tensors(entries)
    checksums = json.dumps({name: _crc(tensor) for name, tensor in tensors.items()})
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={CHECKSUMS: checksums})
        except SafetensorError as error:  # what the Rust side makes of a full disk
            raise _os_error(error, path) from None


class Shard:
    """A shard, open for reading: its tensors lie in the mapped file, which takes no memory and no file descriptor.

    The mapping lives as long as the shard or any of its tensors, also when the file is removed.

    Raises:
        DamagedShard: if the file is no shard, or no longer a whole one.
        OSError: if it is not there (FileNotFoundError) or cannot be read, which says nothing about its content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _opened(path)
        names = list(self._file.offset_keys())
        self._checksums = self._read_checksums(names)
        self._bytes = {name: self._checked_header(name) for name in names}
        # in the order of the file, so that a cold disk is read from front to back
        self.keys: Sequence[str] = tuple(name for name in names if not name.endswith(SCALES))
        for key in self.keys:
            self._check_scales(key)
        if len(names) - len(self.keys) != sum(key + SCALES in self._bytes for key in self.keys):
            raise DamagedShard(path, "scales without values")

    def __contains__(self, key: object) -> bool:
        return key in self._bytes and not str(key).endswith(SCALES)

    def get(self, key: str) -> Packed:
        """The states of one utterance, as views of the mapped file.

        Raises:
            KeyError: if they are not in this shard.
        """
        if key not in self:
            raise KeyError(key)
        scales = key + SCALES
        return Packed(self._file.get_tensor(key), self._file.get_tensor(scales) if scales in self._bytes else None)

    def nbytes(self, key: str) -> int:
        """What the states of one utterance take, without reading them."""
        return self._bytes[key] + self._bytes.get(key + SCALES, 0)

    def check(self, keys: Iterable[str] | None = None) -> None:
        """Compare the checksums of these utterances, or of all.

        Raises:
            DamagedShard: naming the first that differs.
        """
        for key in self.keys if keys is None else keys:
            for name in (key, key + SCALES):
                if name in self._bytes and _crc(self._file.get_tensor(name)) != self._checksums[name]:
                    raise DamagedShard(self.path, f"the checksum of {name} differs")

    def _read_checksums(self, names: Sequence[str]) -> Mapping[str, int]:
        text = (self._file.metadata() or {}).get(CHECKSUMS)
        if text is None:
            raise DamagedShard(self.path, "no checksums, so it was not written by emospeech")
        try:
            checksums = json.loads(text)
        except ValueError:
            checksums = None
        if not isinstance(checksums, dict) or set(checksums) != set(names):
            raise DamagedShard(self.path, "its checksums are not those of its tensors")
        return checksums

    def _checked_header(self, name: str) -> int:
        """Bytes of a tensor that has a type and a shape that a store writes."""
        entry = self._file.get_slice(name)
        dtype, shape = KINDS.get(entry.get_dtype()), entry.get_shape()
        if dtype is None or len(shape) != (2 if name.endswith(SCALES) else 3):
            raise DamagedShard(self.path, f"{name} is {entry.get_dtype()} {shape}, which no store writes")
        return math.prod(shape) * dtype.itemsize

    def _check_scales(self, key: str) -> None:
        values = self._file.get_slice(key)
        scales = self._file.get_slice(key + SCALES) if key + SCALES in self._bytes else None
        if (values.get_dtype() == "I8") != (scales is not None):
            raise DamagedShard(self.path, f"{key} is {values.get_dtype()} {'with' if scales else 'without'} scales")
        if scales is not None and (scales.get_dtype(), scales.get_shape()) != ("F32", values.get_shape()[:2]):
            raise DamagedShard(self.path, f"the scales of {key} do not fit its values")


def _opened(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    with path.open("rb"):  # an OSError with its errno, which the Rust side does not give
        pass
    try:
        return safe_open(path, "pt")
    except SafetensorError as error:
        raise DamagedShard(path, str(error).removeprefix("Error while deserializing header: ")) from None
    except RuntimeError as error:  # torch, which cannot map it
        raise _os_error(error, path) from None


def _tensors(entries: Mapping[str, Packed]) -> dict[str, Tensor]:
    """By the name in the file, as safetensors takes them: contiguous, no two in one storage."""
    tensors: dict[str, Tensor] = {}
    storages = set()
    for key, packed in entries.items():
        assert not key.endswith(SCALES), key
        for name, tensor in ((key, packed.values), (key + SCALES, packed.scales)):
            if tensor is not None:
                tensor = tensor.detach().cpu().contiguous()
                storage = tensor.untyped_storage().data_ptr()
                tensors[name] = tensor.clone() if storage in storages else tensor
                storages.add(storage)
    return tensors


def _crc(tensor: Tensor) -> int:
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data)


def _os_error(error: Exception, path: Path) -> OSError:
    """What Rust or torch report, with the errno that their text tells."""
    found = re.search(r"os error (\d+)|\((\d+)\)$", str(error))
    if found is None:
        return OSError(f"{path}: {error}")
    number = int(found[1] or found[2])
    return OSError(number, os.strerror(number), str(path))
