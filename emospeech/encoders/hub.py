"""Checkpoints from the Hub into this machine's cache, ahead of their use: of each file that is needed, one."""

import errno
import re
from collections.abc import Sequence
from pathlib import Path

from emospeech.encoders import checkpoint
from emospeech.runtime.errors import UserError

KEPT = (".json", ".txt", ".model", ".codes")  # configs, vocabularies, tokenizers
VOCABULARIES = ("bpe_encoder.bin",)
# the weights that torch reads, whole or in parts; the first that a repository has are those that are loaded
WEIGHTS = tuple(map(re.compile, (r"model(-\d+-of-\d+)?\.safetensors", r"pytorch_model(-\d+-of-\d+)?\.bin")))
MODULE = re.compile(r"\d+_\w*/")  # the folder of a module of sentence-transformers, which takes all of it
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def needed(files: Sequence[str]) -> list[str]:
    """Of a repository's files, those that are loaded: the same weights in other formats are not among them.

    >>> needed(["config.json", "flax_model.msgpack", "onnx/model.onnx", "pytorch_model.bin", "model.safetensors"])
    ['config.json', 'model.safetensors']
    """
    weights: list[str] = next(
        (found for one in WEIGHTS if (found := [file for file in files if one.fullmatch(file)])), []
    )
    plain = [file for file in files if "/" not in file and (file.endswith(KEPT) or file in VOCABULARIES)]
    return sorted({*weights, *plain, *(file for file in files if MODULE.match(file))})


def fetch(name: str) -> str:
    """Have a checkpoint's files in the cache; empty, or why the cache was taken as it is.

    What an interrupted download has finished is not fetched again.

    Args:
        name: a Hub id.

    Raises:
        UserError: if there is no such id, it is not for this user, or the Hub cannot be reached and nothing is cached.
        OSError: if it cannot be written.
    """
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        files = [one.rfilename for one in HfApi().model_info(name).siblings or ()]
        snapshot_download(name, allow_patterns=needed(files))  # not by commit: offline, `main` must be known
        return ""
    except GatedRepoError:
        raise UserError(
            f"{name}: its licence is to be accepted first, at {constants.ENDPOINT}/{name}; then give a token of the "
            "account that did so, with `hf auth login` or as HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{name}: {constants.ENDPOINT} has no model of this id, or it is a private one; check the name, or give a "
            "token that may read it, with `hf auth login` or as HF_TOKEN"
        ) from None
    except OfflineModeIsEnabled:
        reason = "HF_HUB_OFFLINE is set"
    except Exception as error:  # the HTTP client has a family of its own
        if getattr(error, "errno", None) in DISK:
            raise
        reason = f"{constants.ENDPOINT} cannot be reached: {(str(error).splitlines() or [type(error).__name__])[0]}"
    if checkpoint.commit(name, None) is None:
        raise UserError(
            f"{name} is not in the cache, and {reason}. Run this where there is network, with HF_HUB_OFFLINE unset; "
            "behind a proxy set HTTPS_PROXY, for a mirror HF_ENDPOINT"
        )
    return reason


def cached(name: str) -> Path | None:
    """The folder of a Hub id in the cache, None where it is not there."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    commit = checkpoint.commit(name, None)
    if commit is None:
        return None
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model") / "snapshots" / commit
