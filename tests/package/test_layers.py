"""Imports go down only: each module imports from the layers below its own."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mongo_sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(mongo_sessions.__file__).parent

# From the top. A folder is one layer; a module may import from the lines below its own.
LAYERS = [
    "__main__",
    "cli",
    "__init__",
    "exports",
    "store tools",
    "transfer",
    "policy_session",
    "session",
    "connection explanations runs",
    "history",
    "cards",
    "store_state testing",
    "concurrency counting options",
    "bypass policy_checks telemetry",
    "first_chunks log policies",
    "errors",
]

ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}

RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer.split()}


def name_of(path: Path) -> str:
    """The dotted name in the package: "options", "log.places"; "log" for log/__init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a module imports, also for types, and inside functions."""
    parents = path.relative_to(PACKAGE.parent).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("mongo_sessions.")
                for alias in node.names
                if alias.name.startswith("mongo_sessions.")
            )
        elif isinstance(node, ast.ImportFrom):
            start = parents[: len(parents) - node.level + 1] if node.level else ()
            module = (*start, *(node.module or "").split("."))
            if module[0] != PACKAGE.name:
                continue
            base = ".".join(filter(None, module[1:]))
            for alias in node.names:
                name = f"{base}.{alias.name}".strip(".")
                yield name if name in MODULES else base or "__init__"


GRAPH = {name: set(imports(path)) - {name} for name, path in MODULES.items()}


def layer_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def test_every_module_has_a_layer():
    assert {layer_of(module) for module in MODULES} == set(RANKS)


def test_the_rooms_are_in_the_graph():
    assert {"log.writes.append", "log.places"} <= GRAPH["log.log"]
    assert "history.history" in GRAPH["connection.connection"]
    assert "policies.summarize.fold_job" in GRAPH["policies.summarize.summarize_older"]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_below(module):
    own = layer_of(module)
    up = {
        target
        for target in GRAPH[module]
        if not (own == layer_of(target) and own in ROOMS) and RANKS[layer_of(target)] <= RANKS[own]
    }
    assert up == set()


@pytest.mark.parametrize(
    ("room", "allowed"),
    [("log", {"errors"}), ("policies", set()), ("testing", {"concurrency", "policies"})],
)
def test_a_room_imports_little_from_outside(room, allowed):
    outside = {
        layer_of(target)
        for module, targets in GRAPH.items()
        if layer_of(module) == room
        for target in targets
    } - {room}
    assert outside <= allowed


def test_no_module_imports_itself_through_others():
    order: list[str] = []

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module not in order:
            for target in sorted(GRAPH[module]):
                visit(target, (*path, module))
            order.append(module)

    for module in GRAPH:
        visit(module, ())
    assert len(order) == len(MODULES)
