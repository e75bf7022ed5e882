"""Where a submission comes from: kept beside it, so that it can be made again, and told from others months later."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emospeech.runtime.files import content_hash
from emospeech.runtime.runs import RunFolder


def of_submission(runs: Mapping[str, Path], test: Path) -> dict[str, Any]:
    """
    Args:
        runs: task of the format -> a run folder, or a file of predictions.
        test: the challenge's table.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "test": {"name": test.name, "sha256": content_hash(test)},
        "tasks": {task: _of_run(RunFolder(path)) if path.is_dir() else _of_file(path) for task, path in runs.items()},
    }


def _of_run(run: RunFolder) -> dict[str, Any]:
    """What it was asked, by what code, on which rows, and how it scored; what a folder does not tell is null."""
    starts, scores = (_json(path) for path in (run.environment, run.scores))
    first = starts[0] if isinstance(starts, list) and starts else {}
    return {
        "run": str(run.path),
        "recipe_sha256": _hash(run.config),
        "commit": first.get("commit"),
        "versions": first.get("versions"),
        "seed": first.get("seed"),
        "rows_sha256": _hash(run.split),  # ids, labels, and who trained, steered and tested
        "scores": {part: _told(one) for part, one in scores.items()} if isinstance(scores, dict) else None,
    }


def _of_file(path: Path) -> dict[str, Any]:
    """A file of predictions, with what stands beside it if `emospeech ensemble` made it."""
    return {"predictions": str(path), "sha256": content_hash(path), "made": _json(path.with_suffix(".json"))}


def _told(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {name: scores.get(name) for name in ("macro_f1", "macro_f1_interval", "count")}


def _hash(path: Path) -> str | None:
    return content_hash(path) if path.exists() else None


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
