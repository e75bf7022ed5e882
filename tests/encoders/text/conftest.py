"""Copies of checkpoints: in a folder to be changed, in a Hub cache."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copy_of(tmp_path):
    """A checkpoint folder of one's own, to be changed."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """Puts a checkpoint into a Hub cache under an id, as commit 000…"""
    from huggingface_hub import constants

    def put(name: str, folder: Path) -> None:
        repository = tmp_path / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / ("0" * 40))
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0" * 40)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    return put
