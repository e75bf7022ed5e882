"""From a recipe to a System, and from a run folder back to one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from emospeech import config
from emospeech.config import Comparison, Recipe
from emospeech.config.tuning import TUNED
from emospeech.encoders.finetuning.lora import merge
from emospeech.runtime.errors import UserError, gather, some
from emospeech.systems import portable, tuning
from emospeech.systems.base import System
from emospeech.systems.checks import CHECKS
from emospeech.systems.classical.system import ClassicalSystem
from emospeech.systems.classical.system import load as load_classical
from emospeech.systems.neural import NeuralSystem
from emospeech.systems.saved import Saved, check_encoder, read_config, read_model
from emospeech.systems.tuning import TunedSystem


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe, every word of it checked before any work.

    Raises:
        UserError: with every fault.
    """
    recipe = config.load(path, overrides, CHECKS)
    tuning.check(recipe, CHECKS)
    return recipe


def load_seeds(path: str | Path, overrides: Sequence[str] = ()) -> Recipe | list[Recipe]:
    """As `load_recipe`; a list, one recipe a seed, where `train.seed` is a list.

    Raises:
        UserError: with every fault.
    """
    asked = config.load_seeds(path, overrides, CHECKS)
    tuning.check(asked if isinstance(asked, Recipe) else asked[0], CHECKS)  # seeds differ in nothing else
    return asked


def build(recipe: Recipe, tasks: Mapping[str, Sequence[str]]) -> System:
    """The system that a recipe names, unfitted; where it has keys to tune, one that chooses them first."""
    if recipe.tune is not None:
        return TunedSystem(recipe, tasks, build)
    return SYSTEMS[recipe.system](recipe, tasks)


def load_benchmark(path: str | Path, overrides: Sequence[str] = ()) -> Comparison:
    """A recipe with what it is compared with, every word of it checked before any work.

    Raises:
        UserError: with every fault.
    """
    asked = config.load_benchmark(path, overrides, CHECKS)
    gather(f"recipe {path}", [partial(tuning.check, recipe, CHECKS) for recipe in asked.rows.values()])
    return asked


def load_ablation(path: str | Path, grid: str | Path, overrides: Sequence[str] = ()) -> Comparison:
    """A recipe with the changes of a grid, every word of it checked before any work.

    Raises:
        UserError: with every fault.
    """
    asked = config.load_ablation(path, grid, overrides, CHECKS)
    gather(f"recipe {path} under grid {grid}", [partial(tuning.check, one, CHECKS) for one in asked.rows.values()])
    return asked


def load_tuning(path: str | Path, space: str | Path, overrides: Sequence[str] = (), nested: bool = False) -> Comparison:
    """A recipe and the space that it is to be tuned in, every word of them checked before any work.

    Raises:
        UserError: with every fault.
    """
    asked = config.load_tuning(path, space, overrides, CHECKS, nested)
    try:
        tuning.check(asked.rows[TUNED], CHECKS)
    except UserError as error:
        raise UserError(f"space {space}: {error}") from None
    return asked


def load(folder: Path, keeps: bool = True) -> System:
    """The fitted system of a run folder, or of a model folder.

    Args:
        keeps: whether it may keep, as its recipe says, what it computes of rows. If not, it reads no store and writes
            into none: what is asked of a server is nobody else's.

    Raises:
        UserError: if there is none, or it is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"no run folder {folder}")
    inside = folder / "model"
    members = sorted(path.parent for path in folder.glob("*/model"))
    if members and not inside.is_dir():
        raise UserError(f"{folder} holds several runs; name one of them: {some(members, 6)}")
    path = inside if inside.is_dir() or not (folder / "config.json").exists() else folder
    saved = read_config(path)
    if not keeps:
        saved = replace(saved, recipe=_keeping_nothing(saved.recipe))
    return LOADERS[saved.recipe.system](path, saved)


def _keeping_nothing(recipe: Recipe) -> Recipe:
    # the section stays: it also decides in what precision frozen encoders compute
    cache = recipe.cache and recipe.cache.model_copy(update={"write": False})
    data = recipe.data.model_copy(update={"memory_gb": 0.0})
    return recipe.model_copy(update={"cache": cache, "data": data})


def _neural(path: Path, config: Saved) -> System:
    saved = read_model(path, config)
    revisions = {name: entry["revision"] for name, entry in saved.encoders.items()}
    system = NeuralSystem(saved.recipe, saved.tasks, revisions)
    for name, entry in saved.encoders.items():
        check_encoder(name, entry, system.pretrained(name), path)
    with portable.unwarned():
        system.assemble(saved.tokenizer)
    try:
        system.ready().load_trained_state(saved.weights)
    except ValueError as error:
        raise UserError(f"the weights in {path} are of another model: {error}") from None
    merge(system.ready())  # adapters cost time that predictions need not take
    return system


SYSTEMS: Mapping[str, Callable[[Recipe, Mapping[str, Sequence[str]]], System]] = {
    "neural": NeuralSystem,
    "classical": ClassicalSystem,
}
LOADERS: Mapping[str, Callable[[Path, Saved], System]] = {"neural": _neural, "classical": load_classical}
