"""Which transcripts a run reads: those provided, Whisper's, or Whisper's where none is provided."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from emospeech.config import Cache, Recipe
from emospeech.data import manifest, table
from emospeech.encoders.transcribe.work import Settings, transcripts
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, some
from emospeech.systems.features.planning import folder_of

PROVIDED = "provided"
SOURCE, FLAG = "transcription_source", "transcription_flag"
FIGURES = ("avg_logprob", "no_speech_prob", "compression_ratio")
COLUMNS = (SOURCE, *FIGURES, FLAG)
HEARS = "Whisper is to write the transcripts"  # for messages


def absent(rows: pd.DataFrame) -> pd.Series:
    """Which rows have no words: bool (rows,)."""
    return rows["transcription"].fillna("").str.strip() == ""


# what a recipe may ask for -> which rows Whisper is to write
WANTED: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    PROVIDED: lambda rows: pd.Series(False, index=rows.index),
    "whisper": lambda rows: pd.Series(True, index=rows.index),
    "whisper_if_missing": absent,
}


def filled(rows: pd.DataFrame, wanted: str, settings: Settings, folder: str | None = None) -> pd.DataFrame:
    """A manifest with the transcripts that are wanted, and with `COLUMNS`, which tell where they are from.

    | column | |
    |---|---|
    | `transcription` | NA where Whisper heard nothing to write |
    | `transcription_source` | `provided`, `whisper:<model>`, or NA beside no transcription of either |
    | `avg_logprob`, `no_speech_prob`, `compression_ratio` | of the clip's worst window of 30 s; NA: not Whisper's |
    | `transcription_flag` | what is doubtful, with semicolons; NA: nothing |

    All processes of a run must call it at the same point.

    Args:
        wanted: a name in `WANTED`.
        folder: of the store that keeps Whisper's transcripts; None: $EMOSPEECH_CACHE, else ~/.cache/emospeech.

    Raises:
        UserError: if the rows that Whisper is to write cannot be heard, or the settings are wrong.
    """
    if wanted not in WANTED:
        raise UserError(f"unknown transcripts {wanted!r}; known: {', '.join(WANTED)}")
    asked = WANTED[wanted](rows)
    rows = _with_columns(rows)
    if not asked.any():
        return rows
    label, found = transcripts(rows[asked], settings, folder_of(Cache(folder=folder)))
    new = pd.DataFrame(
        {
            "transcription": [one.text or None for one in found],
            SOURCE: f"whisper:{label}",
            **{name: [getattr(one, name) for one in found] for name in FIGURES},
            FLAG: [";".join(one.flags) or None for one in found],
        },
        index=rows.index[asked],
    )
    for name in ("transcription", *COLUMNS):
        column = rows[name].copy()
        column[asked] = new[name].astype(column.dtype)
        rows = rows.assign(**{name: column})
    return rows


def of_recipe(rows: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Rows with the transcripts that a recipe's text encoder is to read; where Whisper heard no words, an empty one.

    All processes of a run must call it at the same point.

    Raises:
        UserError: as `filled`.
    """
    wanted = asked(rows, recipe)
    if recipe.text is None or not recipe.reads or not wanted.any():
        return rows
    whisper = recipe.text.whisper
    settings = Settings(model=whisper.model, backend=whisper.backend, language=whisper.language, batch=whisper.batch)
    heard = wanted & rows["audio"].notna()  # not those whose audio is bad
    spoken = rows[heard] if whisper.language else _with_language(rows[heard], whisper.default_language)
    found = filled(spoken, "whisper", settings, recipe.cache.folder if recipe.cache else None)
    say(f"transcripts: {summary(found)}")
    text = rows["transcription"].mask(wanted)
    text[heard] = found["transcription"]
    return rows.assign(transcription=text if recipe.may_lack else text.mask(wanted & text.isna(), ""))


def _with_language(rows: pd.DataFrame, default: str | None) -> pd.DataFrame:
    """
    Raises:
        UserError: naming rows of which nobody knows it.
    """
    untold = rows["language"].isna()
    if not untold.any():
        return rows
    if default is None:
        raise UserError(
            f"Whisper is to write the transcripts of {len(rows)} rows, but {untold.sum()} tell no language "
            f"({some(rows['id'][untold].tolist())}); fill in the column language of their table, or train with "
            "text.whisper.language=es, say"
        )
    say(f"note: {untold.sum()} rows tell no language; Whisper hears them as {default}")
    return rows.assign(language=rows["language"].fillna(default))


def remembering(recipe: Recipe, train: pd.DataFrame) -> Recipe:
    """A recipe that knows which language its training clips speak, if it is one: later clips may not tell theirs."""
    told = train["language"].dropna().unique()
    if recipe.text is None or recipe.text.whisper.default_language or len(told) != 1:
        return recipe
    whisper = recipe.text.whisper.model_copy(update={"default_language": str(told[0])})
    return recipe.model_copy(update={"text": recipe.text.model_copy(update={"whisper": whisper})})


def asked(rows: pd.DataFrame, recipe: Recipe) -> pd.Series:
    """Of which rows a recipe reads Whisper's transcript: bool (rows,)."""
    return WANTED[PROVIDED if recipe.text is None or not recipe.reads else recipe.text.transcripts](rows)


def _with_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """With `COLUMNS`: those of an earlier transcription stay, else a transcription is a provided one."""
    source = rows[SOURCE] if SOURCE in rows else pd.Series(pd.NA, index=rows.index, dtype="string")
    first = {SOURCE: source.astype("string").mask(source.isna() & ~absent(rows), PROVIDED)}
    for name in (*FIGURES, FLAG):
        kind = "string" if name == FLAG else "Float64"
        before = rows[name] if name in rows else pd.Series(pd.NA, index=rows.index)
        first[name] = before.astype(kind)
    return rows.assign(**first)


def read(path: Path) -> pd.DataFrame:
    """A manifest with all its further columns.

    Raises:
        UserError: as `manifest.read`.
    """
    columns = [name for name in table.read(path, ["id"], "a manifest").columns if name not in (table.LINE, "source")]
    return manifest.read(path, columns=columns)


def summary(rows: pd.DataFrame) -> str:
    """How many rows are from where, and what is doubtful in how many, in a line."""
    sources = [f"{count} {source}" for source, count in rows[SOURCE].value_counts().items()]
    without = int(absent(rows).sum())
    flags = Counter(flag for found in rows[FLAG].dropna() for flag in found.split(";"))
    parts = [", ".join(sources)] + ([f"{without} without text"] if without else [])
    if flags:
        flagged = int(rows[FLAG].notna().sum())
        parts.append(f"{flagged} flagged ({', '.join(f'{flag} {n}' for flag, n in flags.most_common())})")
    return f"{len(rows)} rows: {'; '.join(filter(None, parts))}"
