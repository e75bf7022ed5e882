"""The tower: imports only go down, and no two files import each other in a circle."""

import ast
import graphlib
from pathlib import Path

import emospeech

PACKAGE = Path(emospeech.__file__).parent
FLOORS = (
    "labels", "metrics", "runtime", "figures", "config", "data", "corpora", "encoders", "models", "training",
    "systems", "outputs", "experiments", "serve", "cli",
)  # fmt: skip


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imports_of(path: Path) -> set[str]:
    """Our own modules that a file imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name in MODULES}


def floor(module: str) -> int | None:
    parts = module.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[1] in FLOORS else None


def test_imports_only_go_down():
    upward = [
        f"{name} imports {other}"
        for name, path in MODULES.items()
        for other in imports_of(path)
        if floor(name) is not None and floor(other) is not None and floor(other) > floor(name)
    ]
    assert not upward


def test_every_module_has_its_floor():
    assert [name for name in MODULES if floor(name) is None] == [
        n for n in MODULES if n in ("emospeech", "emospeech.__main__")
    ]


def test_no_circles():
    # a package's __init__ is imported before its modules, which is no circle of ours
    graph = {
        name: {o for o in imports_of(path) if o != name and not name.startswith(f"{o}.")}
        for name, path in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_every_package_is_installed():
    """pyproject.toml lists the packages by hand, as the recipes travel with them."""
    import tomllib

    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    found = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(listed) - {"emospeech.configs"} == found


def test_files_stay_readable():
    long = {name: n for name, path in MODULES.items() if (n := len(path.read_text().splitlines())) > 320}
    assert not long, "a file this long is due for a wall"


def test_one_file_speaks():
    """espeakng-loader is GPL; one file imports it."""
    users = [name for name, path in MODULES.items() if "espeakng_loader" in path.read_text(encoding="utf-8")]
    assert users == ["emospeech.corpora.espeak"]
