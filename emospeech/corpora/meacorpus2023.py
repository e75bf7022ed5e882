"""Spanish MEACorpus 2023 (Pan et al. 2024, Computer Standards & Interfaces 90, 103856): segments of YouTube videos.

Its table was released in two forms, with the same rows in the same order. `index` reads either, or both, joined:

    filename,label,transcription,split                                                            names of the clips
    youtube_key,segment_id,label,gender,start_time,end_time (ms),transcription,split[,source]     where they come from

The header tells which one a file is, as the same file name has carried both. The clips are not handed out: those who
have them, or cut them from the videos (`meacorpus_cut`), put them anywhere below the root under the names of the table,
in any format. The label is blank for the 750 clips that are the test of EmoSPeech 2024.
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from emospeech.corpora.base import Corpus, Skipped, incomplete, nothing_found, sounds
from emospeech.data import manifest, table
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults, faults_of, some

TABLES = ("spanish-meacorpus-2023-dataset.csv", "dataset_with_video_keys.csv", "dataset.csv")
FOLDERS = ("", "output")  # of the root; the second as in the authors' repository
SHARED = ("label", "transcription", "split")
NAMED = ("filename", *SHARED)
KEYED = ("youtube_key", "segment_id", "gender", "start_time", "end_time", *SHARED)
LABELS = ("neutral", "anger", "disgust", "fear", "joy", "sadness")
ROWS, HIDDEN = 5129, 750  # published; without a label
GENDERS = ("female", "male")


def index(root: Path) -> pd.DataFrame:
    """The manifest, in the table's order. The id is the file's name; without names, `<youtube key>/<segment>`.

    `group` is the video, NA where no table has the keys; `speaker` and `accent` are NA, as nobody wrote them down.

    Raises:
        UserError: if there is no table, or one is faulty, or two are not of the same rows.
    """
    rows = read(root)
    incomplete(root, len(rows), ROWS, "rows of the table")
    _tell(rows)
    return manifest.make(
        id=rows["id"].tolist(),
        audio=_clips(root, rows),
        transcription=rows["transcription"].tolist(),  # "NA" and "null" are words
        label=manifest.filled(rows["label"]),
        group=manifest.filled(rows["video"]),
        gender=manifest.filled(rows["gender"]),
        language=["es"] * len(rows),
        corpus=["meacorpus2023"] * len(rows),
        split=manifest.filled(rows["split"]),
        duration=(rows["end"] - rows["start"]).round(6),
        source=rows["source"].tolist(),
    )


def read(root: Path) -> pd.DataFrame:
    """The table, as text: `id`, `label`, `transcription`, `split`, `video`, `gender` ("" where unknown), `site` of the
    videos, `source`; and as numbers `start`, `end` in seconds (NaN where unknown).

    Raises:
        UserError: as `index`.
    """
    paths = [root / folder / name for folder in FOLDERS for name in TABLES if (root / folder / name).is_file()]
    if not paths:
        raise nothing_found(root, "Spanish MEACorpus 2023", f"one of its tables, {' or '.join(TABLES)}")
    named: list[tuple[Path, pd.DataFrame]] = []
    keyed: list[tuple[Path, pd.DataFrame]] = []
    for path in paths:
        rows, has_names = _release(path)
        (named if has_names else keyed).append((path, rows))
    for kind, found in (("names of clips", named), ("keys of videos", keyed)):
        if len(found) > 1:
            raise UserError(f"{root}: {len(found)} tables with {kind}: {some([p.name for p, _ in found])}; keep one")
    if named and keyed:
        return joined(named[0], keyed[0])
    return (named or keyed)[0][1]


def joined(named: tuple[Path, pd.DataFrame], keyed: tuple[Path, pd.DataFrame]) -> pd.DataFrame:
    """One table of the two releases, row by row: names of the first, videos, genders and times of the second.

    They share no key, so every row's transcription and split must be equal, and its label where both have one. A label
    that one release leaves blank stays blank: it is the challenge's test.

    Raises:
        UserError: what differs, and where first.
    """
    (path, rows), (other_path, others) = named, keyed
    title = f"{path} and {other_path.name} are not two releases of one table: expected the same rows in the same order"
    if len(rows) != len(others):
        raise faults(title, [f"{len(rows)} rows in {path.name}, {len(others)} in {other_path.name}"])
    blank = (rows["label"] == "") != (others["label"] == "")
    found = []
    for column in SHARED:
        differs = rows[column] != others[column]
        if column == "label":
            differs &= ~blank
        if differs.any():
            k = int(differs.to_numpy().argmax())
            where = f"first in {rows['source'][k]}, and {others['source'][k]}"
            what = f"{rows[column][k][:40]!r} and {others[column][k][:40]!r}"
            found.append(f"{column} differs in {differs.sum()} of {len(rows)} rows, {where}: {what}")
    if found:
        reordered = sorted(rows["transcription"]) == sorted(others["transcription"])
        raise faults(title, [*found, *["the transcriptions are the same, in another order"] * reordered])
    if blank.any():
        say(f"note: {blank.sum()} labels are blank in one of {path.name} and {other_path.name}; they are left blank")
    label = rows["label"].where(others["label"] != "", "")
    return others.assign(id=rows["id"], label=label, source=rows["source"])


def _release(path: Path) -> tuple[pd.DataFrame, bool]:
    """(rows as `read` gives them, has it names of clips)."""
    raw = table.read(path, SHARED, "a table of Spanish MEACorpus 2023")
    has_names, has_keys = "filename" in raw, "youtube_key" in raw
    missing = [name for name in KEYED if has_keys and name not in raw]
    if missing or not (has_names or has_keys):
        raise UserError(
            f"{path}: a table of a version that is not known (columns found: {', '.join(raw.columns.drop(table.LINE))}"
            f"{'; missing: ' + ', '.join(missing) if missing else ''}); "
            f"expected {', '.join(NAMED)} or {', '.join(KEYED)}"
        )
    blank = pd.Series("", index=raw.index, dtype=object)
    rows = pd.DataFrame(
        {
            "id": raw["filename"] if has_names else raw["youtube_key"] + "/" + raw["segment_id"],
            **{name: raw[name] for name in SHARED},
            "video": raw["youtube_key"] if has_keys else blank,
            "gender": raw["gender"] if has_keys else blank,
            "site": raw.get("source", blank),
            "start": _seconds(raw["start_time"] if has_keys else blank),
            "end": _seconds(raw["end_time"] if has_keys else blank),
            "source": table.sources(raw, path),
        }
    )
    found = _faults(rows.assign(line=raw[table.LINE]), has_keys)
    if found:
        raise faults_of(path, found)
    return rows, has_names


def _seconds(milliseconds: pd.Series) -> pd.Series:
    return pd.to_numeric(milliseconds, errors="coerce").astype(float) / 1000


def _faults(rows: pd.DataFrame, has_keys: bool) -> list[str]:
    found = table.check_ids(rows) + table.check_choice(rows, "label", LABELS)
    found += table.check_choice(rows, "split", manifest.SPLITS)
    if has_keys:
        found += table.check_choice(rows, "gender", GENDERS)
        wrong = rows[~((rows["start"] >= 0) & (rows["end"] > rows["start"]) & (rows["end"] < float("inf")))]
        found += [
            f"line {line}: start_time and end_time are not milliseconds of a segment that begins before it ends"
            for line in wrong[table.LINE]
        ]
    return found


def _tell(rows: pd.DataFrame) -> None:
    """What the table does not say aloud: labels that are hidden or not, rows without a video, videos on both sides."""
    hidden = int((rows["label"] == "").sum())
    if hidden:
        say(f"note: {hidden} rows have no label (blank for the {HIDDEN} clips that are the test of EmoSPeech 2024)")
    elif len(rows) == ROWS:
        say(f"note: every row has a label, the {HIDDEN} of EmoSPeech 2024's test too: leave those out of its training")
    if (rows["video"] == "").all():
        return
    keyless, elsewhere = int((rows["video"] == "").sum()), int((~rows["site"].isin(["", "youtube"])).sum())
    if keyless:
        say(f"note: {keyless} rows have no youtube_key: their group is NA, and nothing keeps them out of other folds")
    if elsewhere:
        say(f"note: {elsewhere} rows are not from youtube: {some(sorted(set(rows['site']) - {'', 'youtube'}))}")
    splits = rows[rows["video"] != ""].groupby("video")["split"].nunique()
    if (splits > 1).any():
        say(f"note: {(splits > 1).sum()} of {len(splits)} videos have clips on both sides of the table's own split")


def _clips(root: Path, rows: pd.DataFrame) -> list[str | None]:
    """Where each row's clip lies below the root: a sound of its name in any format; None where there is none."""
    wanted = {PurePosixPath(id).with_suffix("").as_posix() for id in rows["id"]}
    videos, found, skipped = set(rows["video"]), dict[str, str](), Skipped(root)
    for path in sounds(root):
        names = {path.stem, f"{path.parent.name}/{path.stem}"} & wanted
        if names and path.stat().st_size == 0:
            skipped.add(path, "empty")
        elif names:
            name = names.pop()
            if name in found:
                skipped.add(path, "a clip that is there already in another file")
            found.setdefault(name, str(path))
        elif path.stem not in videos:
            skipped.add(path, "not a clip of the table")
    skipped.told()
    if 0 < len(found) < len(rows):
        say(f"note: {len(found)} of {len(rows)} clips are in {root}; the others have no audio")
    return [found.get(PurePosixPath(id).with_suffix("").as_posix()) for id in rows["id"]]


CORPUS = Corpus(
    title="Spanish MEACorpus 2023, Spanish video",
    language="es",
    size="5129 clips of 3006 videos, 13.2 hours",
    labels=LABELS,
    licence="CC BY-NC 4.0 for labels and transcripts; the videos are their owners'",
    source="doi.org/10.5281/zenodo.18606423, github.com/NLP-UMUTeam/Spanish-MEACorpus-2023 (no audio)",
    index=index,
    audio_at="data.root, in files named as in the table (`emospeech data cut` makes them from the videos)",
    speech="natural",
)
