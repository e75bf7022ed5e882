"""Reading a CSV as text, the way people's tables are: BOM, Latin-1, `NA` as a word, and line numbers for complaints."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from emospeech.runtime.errors import UserError, faults, some

LINE = "line"  # the column that carries each row's line in the file, for messages


def read(path: Path, required: Sequence[str], what: str) -> pd.DataFrame:
    """All columns as str, in file order, with a column `line`; nothing is ever taken for a missing value.

    A quoted field may hold commas and line breaks. UTF-8 (with or without BOM), else Windows-1252 / Latin-1.

    Raises:
        UserError: if the file is missing, empty, lacks a required column, or has rows of another width.
    """
    rows = [(line, fields) for line, fields in _rows(path, what) if any(fields)]
    if not rows:
        raise UserError(f"{path} is empty; {what} has the columns {', '.join(required)}")
    header = [name.strip() for name in rows[0][1]]
    missing = [name for name in required if name not in header]
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)} (found: {', '.join(header)}{_other_separator(header)}); "
            f"{what} has the columns {', '.join(required)}"
        )
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise UserError(f"{path}: column {', '.join(doubled)} is there twice")
    body = rows[1:]
    ragged = [(line, fields) for line, fields in body if len(fields) != len(header)]
    if ragged:
        raise faults(
            f"{path}: rows with another number of fields than the header's {len(header)}; quote fields with commas",
            [f"line {line}: {len(fields)} fields" for line, fields in ragged],
        )
    if not body:
        raise UserError(f"{path} has a header but no rows")
    frame = pd.DataFrame([fields for _, fields in body], columns=header, dtype=object)
    frame = frame.drop(columns="", errors="ignore")  # the empty columns at the right of a spreadsheet
    return frame.assign(**{LINE: [line for line, _ in body]})


def as_csv(frame: pd.DataFrame) -> str:
    """A table as CSV with a header; missing values become empty fields, all else reads back as it was."""
    lines: list[str] = []
    # With "\r\n" as the end of a line the writer also quotes a carriage return inside a text
    sink = SimpleNamespace(write=lambda line: lines.append(line.removesuffix("\r\n") + "\n"))
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows(frame.astype(object).where(frame.notna(), "").itertuples(index=False))
    return "".join(lines)


def _rows(path: Path, what: str) -> list[tuple[int, list[str]]]:
    """(line where it starts, fields) of each row."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; expected {what}, a CSV file")
    if not path.exists():
        raise UserError(f"no file {path}; expected {what}, a CSV file")
    reader = csv.reader(io.StringIO(_decode(path), newline=""), strict=True)
    rows, line = [], 1
    try:
        for fields in reader:
            rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: not a CSV row ({error})") from None
    return rows


def _decode(path: Path) -> str:
    raw = path.read_bytes()
    if b"\x00" in raw:
        raise UserError(f"{path} is not a text file in UTF-8 or Latin-1; save it as CSV in UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = raw.decode("utf-8", errors="replace")
        broken = text.count("\ufffd")
        if sum(letter > "\x7f" for letter in text) - broken > broken:
            line = raw.count(b"\n", 0, error.start) + 1
            raise UserError(
                f"{path}, line {line}: a byte that is not UTF-8, in a file that otherwise is; "
                "mend the line, or make or download the table again"
            ) from None
        # Windows-1252 is Latin-1 with letters where Latin-1 has control characters; five bytes have no meaning in it
        return raw.decode("cp1252", errors="replace")


def _other_separator(header: Sequence[str]) -> str:
    marks = [repr(mark) for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]]
    return f", separated by {marks[0]}: save it with commas" if marks else ""


def sources(frame: pd.DataFrame, path: Path) -> list[str]:
    """Where each row came from, for messages: `table.csv, line 7`."""
    return [f"{path.name}, line {line}" for line in frame[LINE]]


def check_ids(frame: pd.DataFrame) -> list[str]:
    """Faults of the column `id`: empty or doubled, each with its line."""
    found = [f"line {line}: the id is empty" for line in frame.loc[frame["id"].str.strip() == "", LINE]]
    for name, group in frame[frame["id"].str.strip() != ""].groupby("id", sort=False):
        if len(group) > 1:
            found.append(f"id {name!r} is there {len(group)} times: lines {some(list(group[LINE]), 5)}")
    return found


def check_choice(frame: pd.DataFrame, column: str, choices: Sequence[str]) -> list[str]:
    """Faults of a column whose values are one of `choices` or empty, each with its line; an absent column has none."""
    if column not in frame:
        return []
    wrong = frame[~frame[column].isin([*choices, ""])]
    return [
        f"line {line}: unknown {column} {value!r}; known: {', '.join(choices)}"
        for line, value in zip(wrong[LINE], wrong[column], strict=True)
    ]


def check_seconds(frame: pd.DataFrame, column: str) -> list[str]:
    """Faults of a column of durations, each with its line; an absent column or an empty field has none."""
    if column not in frame:
        return []
    seconds = pd.to_numeric(frame[column], errors="coerce")
    wrong = frame[(frame[column] != "") & ~((seconds > 0) & (seconds < float("inf")))]
    return [
        f"line {line}: {column} {value!r} is not a positive number of seconds"
        for line, value in zip(wrong[LINE], wrong[column], strict=True)
    ]
