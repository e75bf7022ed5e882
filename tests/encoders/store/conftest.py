"""Small feature sets."""

import pytest
import torch

from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.packed import Packed, pack

from ...runtime.conftest import other as other  # a fixture

IDENTITY = {"kind": "speech", "encoder": "xlsr", "revision": "a1b2", "layers": [0, 12, 24], "dtype": "fp16"}


def states(seed: int, dtype: str = "fp16", frames: int = 7) -> Packed:
    return pack(torch.randn(3, frames, 16, generator=torch.Generator().manual_seed(seed)), dtype)


def key(number: int) -> str:
    return f"{number:064x}"


def entries(*numbers: int, dtype: str = "fp16", frames: int = 7) -> dict[str, Packed]:
    return {key(number): states(number, dtype, frames) for number in numbers}


def same(one: Packed, other: Packed) -> bool:
    """Bit for bit, types and shapes too."""

    def bits(tensor):
        return None if tensor is None else (tensor.dtype, tensor.shape, tensor.contiguous().view(torch.uint8).tolist())

    return (bits(one.values), bits(one.scales)) == (bits(other.values), bits(other.scales))


def all_same(found: dict[str, Packed], expected: dict[str, Packed]) -> bool:
    return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in expected)


def flip(path, offset: int) -> None:
    """One bit of one byte; a negative offset counts from the end."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x01
    path.write_bytes(content)


@pytest.fixture
def features(tmp_path):
    return FeatureSet(tmp_path / "store", IDENTITY)
