"""Splits in EmoBox's layout (Ma et al., Interspeech 2024; github.com/emo-box/EmoBox, folder `data`).

    <dataset>/<dataset>.jsonl                            every clip, a JSON object a line
    <dataset>/label_map.json                             label -> what it counts as
    <dataset>/fold_1/<dataset>_train_fold_1.jsonl        the clips that train when fold 1 is tested
    <dataset>/fold_1/<dataset>_test_fold_1.jsonl
    <dataset>/fold_1/<dataset>_valid_fold_1.jsonl        only where the corpus has an official dev set

An object has `key` (`<dataset>-<name>`), `dataset`, `wav`, `type` ("raw"), `sample_rate`, `num_frame`, `task`
("category"), `length` (seconds), `emo`, `channel`. A corpus with one fold has a hold-out.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from emospeech.data import audio
from emospeech.data.manifest import path_to
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, some
from emospeech.runtime.files import replacing_folder, write_json, write_text

FILE = re.compile(r"(?P<dataset>.+)_(?P<part>train|valid|test)_fold_(?P<fold>\d+)\.jsonl")
PARTS = {"train": "train", "dev": "valid", "test": "test"}  # our word -> theirs
OURS = {theirs: ours for ours, theirs in PARTS.items()}


def write(parts: pd.Series, manifest: pd.DataFrame, folder: Path, beside: Mapping[str, Any]) -> None:
    """The folder of a dataset, whole or not at all; an older one is replaced.

    What is not known of a clip (no audio, no readable header) is null. Paths to audio are relative to the folder.

    Args:
        beside: goes into `split.json` in the same folder.
    """
    rows = manifest.set_index("id").loc[parts.index].assign(part=parts)
    dataset = _dataset(rows, folder)
    clips = {id: _clip(id, row, dataset, folder) for id, row in zip(rows.index, rows.itertuples(), strict=True)}
    with replacing_folder(folder) as new:
        write_text(new / f"{dataset}.jsonl", _lines(clips.values()))
        write_json(new / "label_map.json", {label: label for label in sorted(rows["label"].dropna().unique())})
        write_json(new / "split.json", dict(beside))
        for fold in sorted(set(parts)) if parts.name == "fold" else [1]:
            inside = {"test": parts == fold, "train": parts != fold}
            if parts.name == "split":
                inside = {theirs: parts == ours for ours, theirs in PARTS.items()}
            for theirs, chosen in inside.items():
                if chosen.any():
                    name = f"{dataset}_{theirs}_fold_{fold}.jsonl"
                    write_text(new / f"fold_{fold}" / name, _lines(clips[id] for id in parts.index[chosen]))


def _dataset(rows: pd.DataFrame, folder: Path) -> str:
    """The corpus, where all rows are of one; else the folder's name."""
    corpora = rows["corpus"].dropna().unique()
    return re.sub(r"[^\w.-]", "_", corpora[0] if len(corpora) == 1 else folder.name)


def _clip(id: str, row: Any, dataset: str, folder: Path) -> dict[str, Any]:
    known = not pd.isna(row.audio)
    header = audio.header(row.audio) if known else None
    seconds = None if pd.isna(row.duration) else float(row.duration)
    return {
        "key": f"{dataset}-{id}",
        "dataset": dataset,
        "wav": path_to(Path(row.audio), folder.resolve()) if known else None,
        "type": "raw",
        "sample_rate": header.samplerate if header else None,
        "num_frame": header.frames if header else None,
        "task": "category",
        "length": header.duration if header else seconds,
        "emo": None if pd.isna(row.label) else row.label,
        "channel": header.channels if header else None,
    }


def _lines(clips: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(clip, ensure_ascii=False) + "\n" for clip in clips)


def read(folder: Path, ids: Sequence[str] | None) -> tuple[pd.Series, list[str]]:
    """Parts under their ids, and what is wrong with them; a clip that is in two parts is there twice.

    Args:
        ids: those of a manifest. A clip is found by its key, with or without the dataset's name, or by the name of its
            file, with or without the suffix; what is not found keeps its key, without the dataset's name.

    Raises:
        UserError: if the folder has no files of folds.
    """
    files: dict[int, dict[str, dict[str, list[str]]]] = defaultdict(dict)
    found: list[str] = []
    for path in sorted(folder.glob("fold_*/*.jsonl")):
        if match := FILE.fullmatch(path.name):
            theirs, fold = match["part"], int(match["fold"])
            if theirs in files[fold]:
                found.append(f"fold {fold} has two files for {theirs}; the second is {path.name}")
            files[fold][theirs] = _keys(path, match["dataset"], found)
    if not files:
        raise UserError(f"{folder}: no fold_1/<dataset>_train_fold_1.jsonl in it; expected a folder in EmoBox's layout")
    for fold, parts in sorted(files.items()):
        found += [f"fold {fold} has no file for {theirs}" for theirs in ("train", "test") if theirs not in parts]
    parts_of = _held_out if len(files) == 1 else _crossed
    series, more = parts_of(dict(sorted(files.items())))
    names = {key: names for fold in files.values() for part in fold.values() for key, names in part.items()}
    series.index = pd.Index(_matched([names[key] for key in series.index], ids), dtype=object)
    return series, found + more


def _keys(path: Path, dataset: str, found: list[str]) -> dict[str, list[str]]:
    """Key -> the names under which a manifest may have the clip, in the file's order."""
    keys: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").split("\n"), 1):
        if not line.strip():
            continue
        try:
            clip = json.loads(line)
            key, wav = str(clip["key"]), PurePosixPath(clip.get("wav") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            found.append(f"{path.name}, line {number}: not a JSON object with a key")
            continue
        if key in keys:
            found.append(f"{path.name}, line {number}: key {key!r} is there twice")
        short = key.removeprefix(f"{dataset}-")
        keys[key] = [short, key, wav.name, wav.stem]
    return keys


def _matched(names: Sequence[Sequence[str]], ids: Sequence[str] | None) -> list[str]:
    known = dict.fromkeys(ids or ())
    stems = defaultdict(list)
    for id in ids or ():
        stems[PurePosixPath(id).stem].append(id)
    by_stem = {stem: same[0] for stem, same in stems.items() if len(same) == 1}

    def found(choices: Sequence[str]) -> str:
        exact = next((name for name in choices if name in known), None)
        return exact or next((by_stem[name] for name in choices if name in by_stem), choices[0])

    return [found(choices) for choices in names]


Files = Mapping[int, Mapping[str, Mapping[str, Any]]]


def _held_out(files: Files) -> tuple[pd.Series, list[str]]:
    """One fold: train, dev and test."""
    ((_, parts),) = files.items()
    pairs = [(key, ours) for theirs, ours in OURS.items() for key in parts.get(theirs, ())]
    return pd.Series([ours for _, ours in pairs], index=[key for key, _ in pairs], name="split"), []


def _crossed(files: Files) -> tuple[pd.Series, list[str]]:
    """Several folds: each clip is tested in one, and trains in all others."""
    pairs = [(key, fold) for fold, parts in files.items() for key in parts.get("test", ())]
    everything = {key for parts in files.values() for part in parts.values() for key in part}
    found = []
    if idle := sorted(everything - {key for key, _ in pairs}):
        found.append(f"{len(idle)} keys are tested in no fold: {some(idle)}")
    for fold, parts in files.items():
        trains, tests = {*parts.get("train", ()), *parts.get("valid", ())}, set(parts.get("test", ()))
        if both := sorted(trains & tests):
            found.append(f"fold {fold}: {len(both)} keys are trained on and tested: {some(both)}")
        if parts.keys() >= {"train", "test"} and (neither := sorted(everything - trains - tests)):
            found.append(f"fold {fold}: {len(neither)} keys are neither trained on nor tested: {some(neither)}")
    if any("valid" in parts for parts in files.values()):
        say("note: the folds have dev sets of their own; their clips count as training clips here")
    return pd.Series([fold for _, fold in pairs], index=[key for key, _ in pairs], name="fold"), found
