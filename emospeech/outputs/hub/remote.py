"""The way to the Hub and back: one commit up; down, the files that a model folder says it has, and nothing else."""

import glob
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emospeech.runtime.errors import UserError, WorkError
from emospeech.systems import portable
from emospeech.systems.saved import CONFIG

REPOSITORY = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
MAIN = "main"


def check_repository(name: str) -> None:
    """
    Raises:
        UserError: if no repository can have this name.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        if not REPOSITORY.fullmatch(name):
            raise HFValidationError
        validate_repo_id(name)
    except HFValidationError as error:
        why = f" ({error})" if str(error) else ""
        raise UserError(f"{name!r} is no repository of the Hub; give owner/name, as me/xlsr-roberta{why}") from None


def require_login() -> None:
    """
    Raises:
        UserError: if there is no token, or the client is to stay offline.
    """
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode():
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be pushed; unset it, or take emospeech export")
    if get_token() is None:
        raise UserError(f"nothing can be pushed without an account of {constants.ENDPOINT}: {LOGIN}")


def push(folder: Path, name: str, private: bool, revision: str | None, message: str) -> str:
    """Make the repository if there is none, and put a folder into it in one commit; its address.

    Files of an earlier push that the folder lacks are removed by the same commit.

    Raises:
        UserError: if this account may not, or the repository holds something else.
        WorkError: if the Hub cannot be reached, or does not take it.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="emospeech")
    with _told(name, "push"):
        api.create_repo(name, private=private, exist_ok=True)
        if revision not in (None, MAIN):
            api.create_branch(name, branch=str(revision), exist_ok=True)
        _refuse_another(api, name, revision)
        done = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=revision,
            commit_message=message,
            delete_patterns="*",
        )
    return str(done.commit_url)


def _refuse_another(api: Any, name: str, revision: str | None) -> None:
    """
    Raises:
        UserError: if a repository has a model that is none of ours.
    """
    files = api.list_repo_files(name, revision=revision)
    if CONFIG in files:
        path = Path(api.hf_hub_download(name, CONFIG, revision=revision))
        stored = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(stored, dict) and stored.get("model_type") == portable.MODEL_TYPE:
            return
    others = [file for file in files if file not in (".gitattributes", "README.md")]
    if others:
        raise UserError(f"{name} holds another model already ({others[0]} …), which a push would replace; name another")


def fetched(name: str, revision: str | None = None) -> Path:
    """The folder of a model of the Hub in this machine's cache; what of it is there is not fetched again.

    Args:
        revision: a commit, branch or tag; None: the newest.

    Raises:
        UserError: if there is no such model, it is not for this user or none of emospeech, or it cannot be reached
            and is not in the cache.
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    check_repository(name)
    with _told(name, "load"):
        config = Path(hf_hub_download(name, CONFIG, revision=revision))
        files = portable.listed(_config(config, name), f"{CONFIG} of {name}")
        commit = config.parent.name  # in the cache; the rest is taken from the same
        patterns = [glob.escape(file) for file in (CONFIG, *files)]
        return Path(snapshot_download(name, revision=commit, allow_patterns=patterns))


def _config(path: Path, name: str) -> Mapping[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{CONFIG} of {name} is damaged: {error}") from None
    if not isinstance(stored, dict) or stored.get("model_type") != portable.MODEL_TYPE:
        raise UserError(
            f"{name} is no model that emospeech has exported: its {CONFIG} says so. An encoder is named in a recipe"
        )
    if stored.get("format") != portable.FORMAT:
        raise UserError(
            f"{name} has format {stored.get('format')!r}; this version reads {portable.FORMAT} from the Hub"
        )
    return stored


@contextmanager
def _told(name: str, what: str) -> Iterator[None]:
    """The client's many errors as ours: the user's mistakes, and the Hub's or the network's."""
    try:
        yield
    except (UserError, WorkError):
        raise
    except Exception as error:
        raise _as_ours(error, name, what) from None


def _as_ours(error: Exception, name: str, what: str) -> UserError | WorkError:
    from huggingface_hub import constants, errors

    at = constants.ENDPOINT
    cached = (
        f"{name} is not in this machine's cache, and {at} cannot be reached ({_first(error)}); check the network "
        "(behind a proxy set HTTPS_PROXY, for a mirror HF_ENDPOINT), or give a folder"
    )
    mistakes: Mapping[type[Exception], str] = {  # the first that applies: some are of several kinds
        errors.GatedRepoError: f"{name}: its terms are to be accepted first, at {at}/{name}; then {LOGIN}",
        errors.RevisionNotFoundError: f"{name} has no such revision (branch, tag or commit) at {at}",
        errors.RepositoryNotFoundError: f"{at} has no model {name}, or not for you: check the name, or {LOGIN}",
        errors.LocalEntryNotFoundError: cached,
        errors.OfflineModeIsEnabled: cached,
        errors.EntryNotFoundError: f"{name} is no model that emospeech has exported: it has no {CONFIG}",
    }
    for kind, message in mistakes.items():
        if isinstance(error, kind):
            return UserError(message)
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(name, what, error)
    if isinstance(error, ValueError):
        return UserError(f"cannot {what} {name}: {error}")
    if isinstance(error, OSError):
        return WorkError(f"cannot {what} {name}: {_first(error)}")
    return WorkError(f"cannot {what} {name}: {at} cannot be reached ({type(error).__name__}: {_first(error)})")


def _refused(name: str, what: str, error: Any) -> UserError | WorkError:
    """By what the Hub has answered."""
    status = error.response.status_code if error.response is not None else None
    if status == 401:
        return UserError(f"cannot {what} {name}: the Hub does not know this token: {LOGIN} with another")
    if status == 403:
        return UserError(f"cannot {what} {name}: this account or token has no right to; take a token that may write")
    return WorkError(f"cannot {what} {name}: the Hub answered {status or 'nothing'}: {_first(error)}")


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
