"""Which source recording (a video, say) each clip was cut from, where a corpus's own table does not tell.

Groups serve folds and audits alone, never features: what a model knows of a clip must be in the clip.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from emospeech.corpora import meacorpus2023
from emospeech.data import manifest, table
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults_of, some

EXPECTED = "expected a folder with the two tables of Spanish MEACorpus 2023, or a CSV file with the columns id,group"


def with_groups(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A manifest whose column `group` is filled in; rows that the file does not know keep what they have.

    Raises:
        UserError: if nothing can be read from `path`, or it knows none of the rows.
    """
    known = read(path)
    found = frame["id"].map(known).astype("string")
    count = int(found.notna().sum())
    if not count:
        raise UserError(
            f"{path} knows none of the {len(frame)} ids ({some(frame['id'].tolist())}); "
            f"its own are such as {some(list(known))}"
        )
    changed = int((found.notna() & frame["group"].notna() & (found != frame["group"]).fillna(False)).sum())
    other = f"; {changed} had another before" if changed else ""
    say(f"groups: {count} of {len(frame)} rows, {found.nunique()} different, from {path}{other}")
    return frame.assign(group=found.fillna(frame["group"]))


def read(path: Path) -> Mapping[str, str]:
    """Id -> group, from a folder with MEACorpus' two tables or a CSV with the columns `id` and `group`.

    Raises:
        UserError: if it is neither, or faulty.
    """
    if path.is_dir():
        return video_keys(path)
    if not path.exists():
        raise UserError(f"no {path}; {EXPECTED}")
    raw = table.read(path, ["id", "group"], "a file of groups")
    found = table.check_ids(raw)
    if found:
        raise faults_of(path, found)
    return _known(raw["id"], raw["group"])


def video_keys(folder: Path) -> Mapping[str, str]:
    """Clip -> key of its video, by the two releases of MEACorpus' table: one names the clips and the other the videos.

    Raises:
        UserError: if a table is missing, or they are not the same rows in the same order.
    """
    rows = meacorpus2023.read(folder)
    if (rows["video"] == "").all():
        raise UserError(f"{folder}: no table in it names the videos; {EXPECTED}")
    return _known(rows["id"], rows["video"])


def _known(ids: pd.Series, groups: pd.Series) -> dict[str, str]:
    return {id: group for id, group in zip(ids, manifest.filled(groups), strict=True) if group is not None}
