"""Which of the packages that take long to load will the workers of a run load?"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from detent.pipeline.artifacts import PARQUET, Artifact
from detent.pipeline.executors.parents import HEAVY
from detent.pipeline.fingerprint import own
from detent.pipeline.fingerprint.code import Code
from detent.pipeline.nodes import Graph
from detent.project.sources import SourceLoader

_OPENED_BY = {PARQUET: "polars"}


def heavy_packages(graph: Graph, code: Code, inputs: Iterable[Artifact]) -> tuple[str, ...] | None:
    """Return those heavy packages that the steps load, to open what they are given too; None when nobody knows.

    Importing a step's file also loads what it imports and does not use, which no fingerprint names. So the code has to
    be imported in this process, and what all its files import counts; when that is another package, which may load
    others in turn, whatever is loaded here counts.
    """
    if not all(node.module in sys.modules for node in graph.nodes):
        return None
    imported = _imported()
    known = imported if imported <= set(HEAVY) else set(sys.modules)
    opened = {_OPENED_BY[one.kind] for one in inputs if one.kind in _OPENED_BY}
    return tuple(name for name in HEAVY if name in known or name in code.environment or name in opened)


def _imported() -> set[str]:
    """Return the packages that the project's files which are loaded here import, and this package's own likewise."""
    loaded = {name: loader.path for name, loader in _loaders()}
    names = {name for path in loaded.values() for name in _imports(path)}
    mine = {name.partition(".")[0] for name in loaded}
    _, behind = own.behind(name for name in names if name.partition(".")[0] == "detent")
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - mine - {"detent"} | behind


def _loaders() -> Iterator[tuple[str, SourceLoader]]:
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if isinstance(loader, SourceLoader):
            yield name, loader


def _imports(path: str) -> Iterator[str]:
    """Give the dotted names that a file imports, wherever in it; "?" for a file that is no longer valid Python."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        yield "?"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
