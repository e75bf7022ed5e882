"""Corpora as folders of files that are not sound, and the real ones where they are at hand."""

import csv
from pathlib import Path

import pytest


@pytest.fixture
def make(tmp_path):
    """A folder of files under the given paths, a few bytes each."""

    def make(*paths: str, root: str = "corpus", content: bytes = b"sound") -> Path:
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        for parent in {(folder / path).parent for path in paths}:
            parent.mkdir(parents=True, exist_ok=True)
        for path in paths:
            (folder / path).write_bytes(content)
        return folder

    return make


@pytest.fixture
def listing(data_folder):
    """(path, emotion) of each clip, as public manifests of the corpora list them."""

    def listing(name: str) -> list[tuple[str, str]]:
        file = data_folder / "listings" / f"{name}.tsv"
        if not file.is_file():
            pytest.skip(f"no listing {file}")
        with file.open(encoding="utf-8", newline="") as stream:
            return [(row["path"], row["emotion"]) for row in csv.DictReader(stream, delimiter="\t")]

    return listing


@pytest.fixture
def real(data_folder):
    def real(name: str) -> Path:
        if not (data_folder / name).is_dir():
            pytest.skip(f"{name} is not in {data_folder}")
        return data_folder / name

    return real
