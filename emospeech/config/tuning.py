"""`load_tuning`: a recipe and a space, as the two rows of a comparison: the recipe as it is, and tuned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emospeech.config.comparing import Comparison, varied
from emospeech.config.reading import BENCHMARK, checked, merged, read_yaml
from emospeech.config.sections.protocol import Benchmark
from emospeech.config.sections.space import Space
from emospeech.config.words import Checks
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults_of

AS_IT_IS, TUNED = "as it is", "tuned"
APART = "tune."  # overrides of these keys are the space's
NESTED = {"nested": {"kind": "k-fold"}}  # where the recipe names no protocol
NOT_ITS = ("rows", "quick", "published", "base")  # of a recipe's benchmark


def load_tuning(
    path: str | Path,
    space: str | Path,
    overrides: Sequence[str] = (),
    checks: Checks | None = None,
    nested: bool = False,
) -> Comparison:
    """Read both, and check them.

    The protocols, under which `nested` compares the two, are those of the recipe, or where it has none, five folds.

    Args:
        overrides: of the recipe; those of `tune.` are the space's.

    Raises:
        UserError: with every fault of both, each with its path.
    """
    of_recipe = [one for one in overrides if not str(one).startswith(APART)]
    plain = merged(path, of_recipe)
    name, tune = _space(Path(space), [one for one in overrides if one not in of_recipe], checks)
    own = dict(plain.pop(BENCHMARK, None) or {})
    if plain.get("tune") is not None:
        say(f"note: {path} has a section tune of its own, which {space} takes the place of")
    plain["tune"] = None
    if not any(str(one).startswith("name=") for one in overrides):
        plain["name"] = f"{plain['name']}-{name}{'-nested' if nested else ''}"
    changes: dict[str, dict[str, Any]] = {AS_IT_IS: {}, TUNED: {"tune": tune}}
    kept = {key: value for key, value in own.items() if key not in NOT_ITS}
    section = {**kept, "protocols": kept.get("protocols") or NESTED, "rows": changes, "base": AS_IT_IS}
    benchmark, wrong = checked(Benchmark, section, checks)
    if benchmark is None:
        raise faults_of(f"recipe {path}", [f"{BENCHMARK}.{fault}" for fault in wrong])
    if benchmark.layerwise is not None:
        raise UserError(f"recipe {path} probes layers, which have nothing to tune")
    rows = {row: varied({**plain, "name": row}, change, f"recipe {path}", checks) for row, change in changes.items()}
    kept_as = plain if nested else {**plain, "tune": tune}  # that neither goes on in the folder of the other
    return Comparison(plain["name"], rows[AS_IT_IS].runs_dir, benchmark, rows, {**kept_as, BENCHMARK: section})


def _space(path: Path, overrides: Sequence[str], checks: Checks | None) -> tuple[str, Mapping[str, Any]]:
    """Its name, and the section `tune` that it is."""
    from omegaconf import OmegaConf

    read = OmegaConf.to_container(read_yaml(path, "space", shipped="spaces"), resolve=True)
    given: Any = OmegaConf.to_container(OmegaConf.from_dotlist([str(one) for one in overrides]), resolve=True)
    plain = {**dict(read), **dict(given.get("tune", {}))}
    found, wrong = checked(Space, plain, checks)
    if found is None:
        raise faults_of(f"space {path}", [fault.removeprefix(": ") for fault in wrong])
    return found.name or path.stem, found.model_dump(exclude={"name"})
