"""Where the weights of a VGG-16 come from: a file, a folder, or the Hub."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emospeech.encoders import checkpoint
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import content_hash

SAFE = ".safetensors"
SUFFIXES = (SAFE, ".bin", ".pth", ".pt")
NAMES = ("model.safetensors", "pytorch_model.bin")  # what the Hub and save_pretrained call them
KNOWN = f"give a Hub id (owner/name, such as timm/vgg16.tv_in1k), a file ({', '.join(SUFFIXES)}) or a folder with one"


@dataclass(frozen=True)
class Found:
    """Weights on this machine."""

    path: Path
    name: str  # as the recipe has it, a file or folder as a whole path
    revision: str | None  # commit of a Hub id
    sha256: str | None  # of the file, where there is no commit

    def identity(self) -> dict[str, str | None]:
        """What a run must record to find the same weights again."""
        return {"name": self.name, "revision": self.revision, "sha256": self.sha256}


def name_fault(name: str) -> str | None:
    """What is wrong with the name of weights, before anything is loaded, or None."""
    path = Path(name).expanduser()
    if path.is_dir():
        return None if _inside(path) else f"weights: no {', '.join(NAMES)} in the folder {name}; {KNOWN}"
    if path.is_file():
        return None if path.suffix in SUFFIXES else f"weights: {name} is no file of weights; {KNOWN}"
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") != 1 or path.suffix in SUFFIXES
    if looks_like_path or not checkpoint.HUB_ID.fullmatch(name):
        return f"weights: no file or folder {name!r}; {KNOWN}"
    return None


def _inside(folder: Path) -> Path | None:
    """The one file of weights in a folder; of several, the one with a usual name."""
    usual = [folder / name for name in NAMES if (folder / name).is_file()]
    found = usual or sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    return found[0] if len(found) == 1 or usual else None


def identity(name: str, revision: str | None = None) -> dict[str, str | None]:
    """What a run must record to find the same weights again; nothing is downloaded where the cache tells the commit.

    Raises:
        UserError: if there are none.
    """
    if not Path(name).expanduser().exists() and (commit := checkpoint.commit(name, revision)):
        return {"name": name, "revision": commit, "sha256": None}
    return find(name, revision).identity()


def find(name: str, revision: str | None = None) -> Found:
    """The file of weights that a name means; a Hub id is downloaded where it is not in the cache.

    Raises:
        UserError: if there is none.
    """
    if fault := name_fault(name):
        raise UserError(fault)
    path = Path(name).expanduser()
    local = _inside(path) if path.is_dir() else path if path.is_file() else None
    if local is not None:
        return Found(local, str(path.resolve()), None, content_hash(local))
    downloaded = checkpoint.loaded("weights", name, lambda: _downloaded(name, revision))
    commit = checkpoint.commit(name, revision)
    return Found(downloaded, name, commit, None if commit else content_hash(downloaded))


def _downloaded(name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for file in NAMES:
        try:
            return Path(hf_hub_download(name, file, revision=revision))
        except EntryNotFoundError as error:
            missing = error
    raise OSError(f"it has none of {', '.join(NAMES)}") from missing


def read(found: Found) -> Mapping[str, Tensor]:
    """Its weights by name; nothing but tensors is unpickled, and values are read when they are used.

    Raises:
        UserError: if the file is damaged, or holds something else.
    """
    try:
        state = _mapped(found.path)
    except Exception as error:  # torch's, pickle's and safetensors' own errors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"the weights in {found.path} cannot be read: {reason}") from None
    inner = state.get("state_dict", state) if isinstance(state, Mapping) else None
    if not isinstance(inner, Mapping) or not all(isinstance(value, Tensor) for value in inner.values()):
        raise UserError(f"{found.path} holds no weights by name, as torch.save(net.state_dict(), …) writes them")
    return inner


def _mapped(path: Path) -> Any:
    if path.suffix == SAFE:
        from safetensors.torch import load_file

        return load_file(path)
    # torchvision's own file is of a time before zip files
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
