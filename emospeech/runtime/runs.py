"""The run folder: its file names, what may go into it, and what it must tell about how it was made."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_json, write_text

PACKAGES = (
    "emospeech",
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "numpy",
    "pandas",
    "scikit-learn",
    "soundfile",
    "librosa",
    "opensmile",
    "xgboost-cpu",
    "skops",
)


SLURM = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_RESTART_COUNT",
)


@dataclass(frozen=True)
class RunFolder:
    """`runs/<name>/` and the files in it."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def wandb(self) -> Path:
        return self.path / "wandb"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def split(self) -> Path:
        return self.path / "split.csv"

    @property
    def origins(self) -> Path:
        """Whom it has heard."""
        return self.path / "origins.csv"

    @property
    def bad_audio(self) -> Path:
        return self.path / "bad_audio.csv"

    @property
    def scores(self) -> Path:
        return self.path / "scores.json"

    @property
    def logs(self) -> Path:
        """Of the jobs of an array."""
        return self.path / "logs"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def lock(self) -> Path:
        return self.path / ".lock"

    def predictions(self, split: str) -> Path:
        return self.path / f"{split}_predictions.csv"

    @property
    def started(self) -> bool:
        """A folder that only lists bad audio is not a run yet."""
        return self.config.exists()

    @property
    def finished(self) -> bool:
        return self.scores.exists() and self.model.exists()


def refuse_or_continue(run: RunFolder, config: str, resume: bool, overwrite: bool) -> None:
    """Before any work: may this run go into this folder?

    Raises:
        UserError: if there is a run already and neither was asked for, or it is another recipe's.
    """
    if overwrite and resume:
        raise UserError("--resume and --overwrite exclude each other")
    if run.path.exists() and not run.path.is_dir():
        raise UserError(f"{run.path} is a file; a run needs a folder of that name")
    if not run.started:
        foreign = [p.name for p in run.path.iterdir()] if run.path.is_dir() else []
        # stopped before it was a run
        begun = {path.name for path in (run.bad_audio, run.environment, run.split, run.origins)}
        if any(name not in begun and not name.startswith(".") for name in foreign):
            raise UserError(f"{run.path} exists and is not a run folder; choose another with name=… or runs_dir=…")
        return
    if not (resume or overwrite):
        raise UserError(
            f"{run.path} holds a run already; continue it with --resume, replace it with --overwrite, "
            "or choose another name with name=…"
        )
    if overwrite and not run.environment.exists():  # it would be emptied: make sure that it is ours
        raise UserError(
            f"{run.path} has a {run.config.name} but no {run.environment.name}, so it may not be a run folder; "
            "remove it yourself, or choose another with name=… or runs_dir=…"
        )
    if resume and run.config.read_text(encoding="utf-8") != config:
        raise UserError(
            f"{run.path} was started with another recipe, so it cannot be resumed with this one:\n"
            f"{_difference(run.config.read_text(encoding='utf-8'), config)}\n"
            "resume with the same recipe and overrides, or start afresh with --overwrite or name=…"
        )


def clear(run: RunFolder, keep: Sequence[Path] = ()) -> None:
    """Remove the run's files, but not its lock, which whoever clears it holds, nor those to `keep`."""
    # what makes it a run goes last: a run that was half cleared when it was stopped can still be overwritten
    last = (run.config, run.environment)
    for path in sorted(run.path.iterdir(), key=lambda path: last.index(path) if path in last else -1):
        if path == run.lock or path in keep:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def begin(run: RunFolder, config: str, seed: int, hardware: dict[str, Any]) -> None:
    """Write what was asked for and where it runs. A resumed run keeps its first environment and adds its own."""
    former = json.loads(run.environment.read_text(encoding="utf-8")) if run.environment.exists() else []
    write_json(run.environment, [*former, environment(seed, hardware)])
    write_text(run.config, config)


def environment(seed: int, hardware: dict[str, Any]) -> dict[str, Any]:
    """What a reader needs to know about the machine and the software of a run."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["emospeech", *sys.argv[1:]],
        "seed": seed,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "commit": _commit(),
        "hardware": {"machine": platform.machine(), "cpus": os.cpu_count(), **hardware},
        "slurm": {name: os.environ[name] for name in SLURM if name in os.environ},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the code, marked `+` if there are changes, or None outside a checkout."""
    here = Path(__file__).parent
    try:
        git = ["git", "-C", str(here)]
        # an environment may lie inside some other project's checkout
        subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed.strip() else "")


def _difference(old: str, new: str) -> str:
    import difflib

    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))
