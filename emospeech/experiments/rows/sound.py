"""Whether every clip of a run can be heard, before any long work."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from emospeech.config import Recipe
from emospeech.data import usable
from emospeech.data.heard import Heard
from emospeech.data.usable import BadClip
from emospeech.experiments.rows import transcripts
from emospeech.experiments.rows.loading import Rows
from emospeech.runtime import distributed
from emospeech.runtime.console import say
from emospeech.systems.features.planning import folder_of


def with_usable_audio(rows: Rows, recipe: Recipe, listing: Path | None = None) -> Rows:
    """Every clip that is heard decoded once in all runs of a store; bad ones listed and failed on, dropped or silenced.

    Args:
        listing: where to list them.

    Raises:
        UserError: naming the bad ones, if the recipe says that they are to fail.
    """
    read = recipe.text if recipe.reads else None
    if not recipe.hears and (read is None or read.transcripts == transcripts.PROVIDED):
        return rows
    parts = {"train": rows.train, "dev": rows.dev, "test": rows.test}
    every = pd.concat(parts.values(), ignore_index=True)
    needed = every if recipe.hears else every[transcripts.asked(every, recipe)]
    heard = heard_before(recipe)
    bad = distributed.on_main(lambda: usable.find_bad_audio(needed, heard))
    if listing is not None:
        distributed.on_main(lambda: _list(bad, listing))
    if not bad:
        return rows
    policy, where = recipe.data.on_bad_audio, f", listed in {listing}" if listing else ""
    usable.without_bad_audio(needed, bad, policy, f" (all listed in {listing})" if listing else "")
    say(f"{len(bad)} clips have unusable audio{where}; data.on_bad_audio={policy}")
    parts = {name: usable.without_bad_audio(part, bad, policy) for name, part in parts.items()}
    if recipe.may_lack:
        usable.require_either(pd.concat(parts.values()))  # of a clip with bad audio, text is left
    return replace(rows, **parts)


def heard_before(recipe: Recipe) -> Heard | None:
    """The clips that runs of the recipe's store found sound; None where it keeps nothing."""
    cache = recipe.cache
    return Heard(folder_of(cache)) if cache is not None and cache.write is not False else None


def _list(bad: Sequence[BadClip], listing: Path) -> None:
    if bad:
        usable.write_bad_audio(bad, listing)
    else:
        listing.unlink(missing_ok=True)
