"""`load`: YAML, `extends`, command-line overrides, every fault reported at once, each with its path."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from emospeech.config import lists, merging
from emospeech.config.schema import Recipe
from emospeech.config.words import HERE, Checks, section_of
from emospeech.runtime.errors import UserError, faults_of

BENCHMARK = "benchmark"  # a recipe's section that says how it is compared; nothing that a system is made of
S = TypeVar("S", bound=BaseModel)


def load(path: str | Path, overrides: Sequence[str] = (), checks: Checks | None = None) -> Recipe:
    """Read a recipe, apply `key=value` overrides, and check all of it.

    Raises:
        UserError: with every fault, each with its path in the recipe.
    """
    plain = merged(path, overrides)
    plain.pop(BENCHMARK, None)
    return validate(plain, f"recipe {path}", checks)


def load_seeds(path: str | Path, overrides: Sequence[str] = (), checks: Checks | None = None) -> Recipe | list[Recipe]:
    """As `load`, but `train.seed` may be a list: then a list of recipes, named `seed_<n>`, below `runs_dir`/`name`.

    Raises:
        UserError: with every fault.
    """
    plain = merged(path, overrides)
    plain.pop(BENCHMARK, None)
    title = f"recipe {path}"
    train = plain.get("train")
    if not isinstance(train, dict) or not isinstance(train.get("seed"), list):
        return validate(plain, title, checks)
    seeds = train["seed"]
    if not seeds or len(set(map(str, seeds))) < len(seeds):
        raise UserError(f"{title}: train.seed: should be a list of different numbers, got {seeds}")
    whole = validate({**plain, "train": {**train, "seed": seeds[0]}}, title, checks)
    runs_dir = str(Path(whole.runs_dir) / whole.name)
    return [
        validate({**plain, "runs_dir": runs_dir, "name": f"seed_{seed}", "train": {**train, "seed": seed}}, title)
        for seed in seeds
    ]


def merged(path: str | Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The recipe with what it extends and what overrides it, as plain values."""
    from omegaconf import OmegaConf

    path = Path(path)
    changes = _overrides(overrides)
    try:
        raw = over(over(OmegaConf.create({"name": path.stem}), _read(path, ())), changes)
        refuse_thrown_away(changes, raw)
        plain: dict[str, Any] = OmegaConf.to_container(raw, resolve=True)
    except UserError:
        raise
    except Exception as error:  # OmegaConf has a family of its own
        raise UserError(f"recipe {path}: {error}") from None
    return with_defaults(plain)


def with_defaults(plain: dict[str, Any]) -> dict[str, Any]:
    """A recipe in which what stands for a part of a default, an option or an entry, stands in that default."""
    return merging.with_default_names(lists.with_defaults(plain, Recipe))


def refuse_thrown_away(upper: Any, whole: Any, where: str = "") -> None:
    """See `merging`; of OmegaConf's."""
    from omegaconf import OmegaConf

    one, other = (OmegaConf.to_container(each, resolve=False) for each in (upper, whole))
    merging.refuse_thrown_away(one, other, where)


def over(lower: Any, upper: Any) -> Any:
    """One recipe over another, as OmegaConf's; interpolations are left for the end."""
    from omegaconf import OmegaConf

    below, above = (merging.spelled_out(OmegaConf.to_container(one, resolve=False)) for one in (lower, upper))
    below = merging.without_replaced_options(below, above)
    placed = lists.placed(below, above, Recipe)
    merging.refuse_other_kinds(below, placed)
    return OmegaConf.merge(below, placed)


def validate(plain: Any, title: str, checks: Checks | None = None) -> Recipe:
    """A `Recipe` from nested dicts.

    Raises:
        UserError: with every fault.
    """
    recipe, found = examined(plain, checks)
    if recipe is None:
        raise faults_of(title, found)
    return recipe


def examined(plain: Any, checks: Checks | None = None) -> tuple[Recipe | None, list[str]]:
    """A `Recipe` from nested dicts, or what is wrong with them."""
    recipe, found = checked(Recipe, plain, checks)
    if recipe is not None:
        found = _without_what_it_needs(recipe)
    return (None if found else recipe), found


def checked(section: type[S], plain: Any, checks: Checks | None) -> tuple[S | None, list[str]]:
    """A section from plain values, or what is wrong with them."""
    try:
        return section.model_validate(plain, context=dict(checks or {})), []
    except ValidationError as error:
        return None, [_fault(one, section) for one in error.errors(include_url=False)]


def _without_what_it_needs(recipe: Recipe) -> list[str]:
    return _unknown_tasks(recipe) + _missing_parts(recipe)


def _unknown_tasks(recipe: Recipe) -> list[str]:
    """Tasks that have a weight, but that nobody names."""
    weights, data = recipe.train.task_weights, recipe.data
    named = ["label", *data.tasks, *dict.fromkeys(part.task for part in data.mixture if part.task)]
    unknown = [task for task in weights if task not in named] if isinstance(weights, dict) else []
    return [f"train.task_weights: no task {', '.join(unknown)}; there are {', '.join(named)}"] if unknown else []


def _missing_parts(recipe: Recipe) -> list[str]:
    if recipe.system == "classical":
        if recipe.classical is None:
            return ["classical: missing; system: classical needs it, as classical: {features: [functionals]}"]
        named = [one.name for one in recipe.classical.features]
        return _trained_in_vain(recipe) + [
            f"classical.features: {part} is there, but the section {part} is null; name an encoder as {part}.encoder=…"
            for part in ("speech", "text")
            if part in named and getattr(recipe, part) is None
        ]
    if recipe.speech is None and recipe.text is None:
        return ["speech, text: both are null; a recipe needs at least one of them"]
    return []


def _trained_in_vain(recipe: Recipe) -> list[str]:
    parts = {"speech": recipe.speech, "text": recipe.text}
    return [
        f"{name}.train: a classical system takes an encoder as it is, so {part.train.name} is not for it; leave it out"
        for name, part in parts.items()
        if part is not None and part.train.name != "frozen"
    ]


def recipes_folder() -> Path:
    """Where the shipped recipes lie: `configs/` of a checkout, or inside the installed package."""
    here = Path(__file__).parents[1]
    return here.parent / "configs" if (here.parent / "configs").is_dir() else here / "configs"


def as_yaml(recipe: Recipe) -> str:
    from omegaconf import OmegaConf

    return str(OmegaConf.to_yaml(OmegaConf.create(recipe.model_dump())))


def read_yaml(path: Path, what: str, where: str = "", shipped: str = "") -> Any:
    """A file of keys and values, as OmegaConf's.

    Args:
        what: it is to be, and `where` it is named, for messages.
        shipped: the folder of those that are shipped, in that of the recipes.

    Raises:
        UserError: if there is no such file, or it is something else.
    """
    from omegaconf import DictConfig, OmegaConf

    try:
        own = OmegaConf.load(path)
    except FileNotFoundError:
        raise UserError(f"no {what} {path}{where}; the shipped ones are under {recipes_folder() / shipped}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; a {what} is a YAML file") from None
    except Exception as error:  # the YAML parser's own errors, which name line and column
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(own, DictConfig):
        raise UserError(f"{path} is not a {what}: its top level must be keys and values")
    return own


def _read(path: Path, seen: tuple[Path, ...]) -> Any:
    if path.resolve() in seen:
        raise UserError(f"recipe {path} extends itself: {' -> '.join(p.name for p in (*seen, path))}")
    own = read_yaml(path, "recipe", f", named by 'extends' in {seen[-1]}" if seen else "")
    base = own.pop("extends", None)
    if base is not None and not isinstance(base, str):
        raise UserError(f"{path}: extends: should be the path of one recipe, got {base!r}")
    whole = own if base is None else over(_read(path.parent / base, (*seen, path.resolve())), own)
    refuse_thrown_away(own, whole, f"{path}: ")
    return whole


def _overrides(pairs: Sequence[str]) -> Any:
    from omegaconf import OmegaConf

    wrong = [pair for pair in pairs if "=" not in pair or pair.startswith("=")]
    if wrong:
        raise UserError(f"cannot read {', '.join(map(repr, wrong))}; overrides are written key=value, as train.seed=2")
    for pair in pairs:
        try:
            OmegaConf.from_dotlist([pair])
        except Exception as error:  # the YAML parser's, over several lines
            reason = str(error).splitlines()[0]
            raise UserError(
                f"cannot read {pair!r} ({reason}); braces want quotes around the whole and a blank after each colon, "
                "as 'speech.options={width: 16}'"
            ) from None
    changes: Any = {}
    for pair in pairs:
        change = OmegaConf.to_container(OmegaConf.from_dotlist([_spelled_out(pair)]), resolve=False)
        changes = OmegaConf.to_container(OmegaConf.merge(changes, lists.placed(changes, change, Recipe)), resolve=False)
    return OmegaConf.create(changes)


def _spelled_out(pair: str) -> str:
    """`model.pooling=max` as `model.pooling.name=max`, beside which options may stand; null and {…} as they are."""
    key, value = pair.split("=", 1)
    whole = value.strip() in ("", "null", "none", "None", "~") or value.strip().startswith(("{", "[", "$"))
    return pair if whole else f"{merging.override_key(key)}={value}"


def _fault(error: Any, root: type[BaseModel] = Recipe) -> str:
    """One pydantic error as a line: path, what is wrong, what would be right."""
    where = ".".join(str(part) for part in error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        siblings = _keys_at(error["loc"][:-1], root)
        close = difflib.get_close_matches(str(error["loc"][-1]), siblings, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(siblings)}"
        return f"{where}: unknown key; {hint}"
    if kind == "missing":
        return f"{where}: missing; set it in the recipe or as {where}=… on the command line"
    if kind == "value_error":
        return f"{where}: {str(error['ctx']['error']).replace(HERE, where)}"
    if kind == "model_type":
        wanted = "a name, or {name: …} with options" if _is_choice(error["loc"]) else "keys and values"
        return f"{where}: should be {wanted}, got {error['input']!r}"
    if kind == "string_pattern_mismatch":
        allowed = "letters, digits, blanks and . , _ + = -, a letter or digit first"
        return f"{where}: should be {allowed}, got {error['input']!r}"
    if kind == "string_type" and isinstance(error["input"], int | float):
        return f"{where}: should be text, got the number {error['input']}; in quotes it is text: '\"03\"'"
    if kind == "too_short":
        return f"{where}: too few; should have {error['ctx']['min_length']} or more, got {error['input']!r}"
    message = error["msg"].replace("Input should be", "should be").replace("a valid integer", "a whole number")
    message = message.replace("a valid ", "a ")
    return f"{where}: {message}, got {error['input']!r}"


def _is_choice(location: tuple[Any, ...]) -> bool:
    return tuple(map(str, location)) in merging.CHOICES


def _keys_at(location: tuple[Any, ...], root: type[BaseModel]) -> list[str]:
    """The keys that the section at `location` knows."""
    section: type[BaseModel] = root
    for part in location:
        if part in section.model_fields:  # else one of several, or an entry under a name of its own
            section = section_of(section.model_fields[part].annotation) or section
    return list(section.model_fields)
