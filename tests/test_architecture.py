"""Imports point downwards only, from floor to floor, and no modules import each other in a circle.

Every import counts: at the top of a module, inside a function and under ``TYPE_CHECKING``. Paths in registries
are data.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lipdub

ROOT = Path(lipdub.__file__).parent

#: The modules directly in ``lipdub``, such as ``lipdub.errors``, which every package may import.
GROUND = "ground"
#: ``lipdub/__init__.py`` exports the Python interface. No module of lipdub imports it.
INTERFACE = "interface"
#: ``python -m lipdub``.
MAIN = "main"

_GROUND = {GROUND}
_PRIMITIVES = {"networks", "blending", "media", "workspace"} | _GROUND
_WEIGHTS = {"weights"} | _PRIMITIVES
_DOMAIN = {"faces", "speech", "metrics"} | _WEIGHTS
_STAGES = {"stages"} | _DOMAIN
_SCORING = {"scoring"} | _STAGES
_ENGINE = {"engine"} | _SCORING
_TRAINING = {"training"} | _ENGINE

#: Each package, from the top floor to the ground, and the packages that it may import besides itself.
ALLOWED = {
    MAIN: {"cli"},
    "cli": _TRAINING,
    INTERFACE: _ENGINE,
    "training": _ENGINE,
    "engine": _SCORING,
    "scoring": _STAGES,
    "stages": _DOMAIN,
    "metrics": {"faces", "speech"} | _WEIGHTS,
    "faces": _WEIGHTS,
    "speech": _WEIGHTS,
    "weights": _PRIMITIVES,
    "networks": {"lipdub.errors", "lipdub.offline"},
    "blending": _GROUND,
    "media": _GROUND,
    "workspace": _GROUND,
    GROUND: set(),
}


def _module_files(root: Path) -> dict[str, Path]:
    files = {}
    for path in sorted(root.rglob("*.py")):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def _imported_names(module: str, path: Path) -> list[tuple[str, int]]:
    """Return what a file imports, as dotted names of modules or of names in them, with line numbers."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names += [(f"{base}.{alias.name}", node.lineno) for alias in node.names]
    return names


def import_graph(root: Path) -> dict[str, dict[str, int]]:
    """Return the modules of a package, the package's modules that each imports, and the lines where it does."""
    files = _module_files(root)
    graph: dict[str, dict[str, int]] = {module: {} for module in files}
    for module, path in files.items():
        for name, line in _imported_names(module, path):
            target = name if name in files else name.rpartition(".")[0]
            if target in files and target != module:
                graph[module].setdefault(target, line)
    return graph


def package_of(module: str) -> str:
    """Return the package of a module, or which of the modules directly in lipdub it is."""
    parts = module.split(".")
    if len(parts) == 1:
        return INTERFACE
    if parts[1] == "__main__":
        return MAIN
    return parts[1] if (ROOT / parts[1]).is_dir() else GROUND


def import_circles(graph: dict[str, dict[str, int]]) -> list[list[str]]:
    """Return the groups of modules that reach each other by imports (strongly connected components)."""
    reached = {module: _reachable(graph, module) for module in graph}
    groups = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in graph
        if module in reached[module]
    }
    return sorted(sorted(group) for group in groups)


def _reachable(graph: dict[str, dict[str, int]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += graph[module]
    return reached


def forbidden_imports(graph: dict[str, dict[str, int]]) -> list[str]:
    """Return the imports that the table does not allow, one line each."""
    return [
        f"{module}:{line} imports {target}"
        for module, targets in graph.items()
        for target, line in targets.items()
        if package_of(target) != package_of(module) and not {package_of(target), target} & ALLOWED[package_of(module)]
    ]


@pytest.fixture(scope="module")
def graph() -> dict[str, dict[str, int]]:
    return import_graph(ROOT)


def test_every_package_has_its_floor(graph: dict[str, dict[str, int]]) -> None:
    assert {package_of(module) for module in graph} == set(ALLOWED)


def test_the_floors_have_no_circle() -> None:
    packages = {name: dict.fromkeys(allowed & set(ALLOWED), 0) for name, allowed in ALLOWED.items()}
    assert import_circles(packages) == []


def test_no_modules_import_each_other_in_a_circle(graph: dict[str, dict[str, int]]) -> None:
    assert import_circles(graph) == []


def test_imports_point_downwards_only(graph: dict[str, dict[str, int]]) -> None:
    assert forbidden_imports(graph) == []


def test_imports_are_absolute(graph: dict[str, dict[str, int]]) -> None:
    relative = [
        f"{module}:{node.lineno}"
        for module, path in _module_files(ROOT).items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_hidden_imports_are_seen(tmp_path: Path) -> None:
    package = tmp_path / "lipdub"
    (package / "networks").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "networks" / "__init__.py").write_text("")
    (package / "networks" / "one.py").write_text("def f():\n    from lipdub.networks import two\n")
    (package / "networks" / "two.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .one import f\n    import lipdub.progress\n"
    )
    (package / "progress.py").write_text("")
    graph = import_graph(package)
    assert import_circles(graph) == [["lipdub.networks.one", "lipdub.networks.two"]]
    assert forbidden_imports(graph) == ["lipdub.networks.two:4 imports lipdub.progress"]
