"""Loading pre-trained checkpoints by Hub id or local folder, with one clear message for what can go wrong."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from emospeech.runtime.errors import UserError, some
from emospeech.runtime.files import content_hash

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
MASK = "masked_spec_embed"  # what stands in the masked places of a speech encoder's training
# Weights that a frozen encoder never uses, so a checkpoint may lack them: heads of other tasks, Whisper's decoder.
UNUSED = ("pooler.", MASK, "quantizer.", "project_", "lm_head", "decoder.")

CONTENT = (".safetensors", ".bin", ".json", ".model", ".txt")  # files that decide what a checkpoint computes


def name_fault(name: str, scratch: Collection[str]) -> str | None:
    """What is wrong with an encoder's name, before anything is loaded, or None."""
    if name in scratch:
        return None
    folder = Path(name).expanduser()
    known = "a Hub id (owner/name) or a checkpoint folder"
    known = f"from scratch: {', '.join(scratch)}; else {known}" if scratch else f"give {known}"
    if folder.is_dir():
        return None if (folder / "config.json").is_file() else f"folder {name} is no checkpoint: it has no config.json"
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_like_path or not HUB_ID.fullmatch(name):
        return f"no checkpoint folder {name!r}; {known}"
    if "/" not in name and not _cached(name):
        return f"unknown encoder {name!r}; {known}"
    return None


def _cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def loaded(what: str, name: str, load: Callable[[], Any]) -> Any:
    """The result of a `from_pretrained`, its many errors turned into one message.

    Raises:
        UserError: if the checkpoint cannot be found or read.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()  # a line for every model, in every log
    try:
        return load()
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        where = (
            f"the folder {name}" if Path(name).expanduser().is_dir() else f"the Hub or its cache under the id {name!r}"
        )
        raise UserError(
            f"cannot load the {what} from {where}: {reason}\n"
            "Give a folder that save_pretrained wrote, or a Hub id that this machine can reach or has in its cache "
            "(without network: download it where there is one, and set HF_HOME to that cache)"
        ) from error


def pretrained_model(name: str, revision: str | None, **options: Any) -> Any:
    """A frozen model in eval mode through `AutoModel`; every weight that is used must be in the checkpoint.

    Raises:
        UserError: if it cannot be loaded, or weights are missing and would be random.
    """
    from transformers import AutoModel

    model, info = loaded(
        "model",
        name,
        lambda: AutoModel.from_pretrained(name, revision=revision, output_loading_info=True, **options),
    )
    require_weights(name, model.config.model_type, info["missing_keys"])
    if MASK in info["missing_keys"]:
        model.get_parameter(MASK).data.zero_()  # else random; SpecAugment takes it, where the encoder trains
    return frozen(model, name, revision)


def frozen(model: Any, name: str, revision: str | None) -> Any:
    """A model just loaded, in eval mode, that knows the commit it came from as `commit`."""
    model.commit = commit(name, revision)
    return model.requires_grad_(False).eval()


def commit(name: str, revision: str | None) -> str | None:
    """The commit that a Hub id was just loaded from, by the cache's own record; None for a folder."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionResolutionError

    if Path(name).is_dir():
        return None
    try:
        found = HfApi().resolve_revision(name, revision=revision, local_files_only=True)
        return str(found.resolved)
    except RevisionResolutionError:
        return None


def require_weights(name: str, family: str, missing: Iterable[str]) -> None:
    """
    Raises:
        UserError: if one of the missing weights is used, and would be random.
    """
    used = sorted(key for key in missing if not any(unused in key for unused in UNUSED))
    if used:
        raise UserError(
            f"checkpoint {name} lacks {len(used)} weights of a {family} model "
            f"({some(used)}); they would be random. Is it a checkpoint of another architecture?"
        )


def identity(name: str, model: Any) -> dict[str, str | None]:
    """What a run must record to find the same weights again: id or folder, and revision or content hash."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        unknown = model.commit is None  # the Hub's cache is not as its client leaves it
        return {"name": name, "revision": model.commit, "sha256": weights_hash(model) if unknown else None}
    return {"name": str(folder.resolve()), "revision": None, "sha256": folder_hash(folder)}


def weights_hash(model: Any) -> str:
    """SHA-256 over the names, types and values of a frozen model's weights; computed once."""
    import torch

    if not hasattr(model, "weights_sha256"):
        total = hashlib.sha256()
        for key, value in sorted(model.state_dict().items()):
            total.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
            total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        model.weights_sha256 = total.hexdigest()
    found: str = model.weights_sha256
    return found


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a checkpoint's files, those of its sub-folders too."""
    total = hashlib.sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*")):
        # hidden folders are of git and of the Hub's downloads
        if path.suffix in CONTENT and path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            total.update(f"{name} {content_hash(path)}\n".encode())
    return total.hexdigest()
