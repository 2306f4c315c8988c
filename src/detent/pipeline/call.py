"""Call a step's function on stored arguments and store what it returns."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from detent.errors import DataError
from detent.pipeline.arguments import Stored, StoredRecord, replace_stored
from detent.pipeline.artifacts import Artifact
from detent.pipeline.authoring import Step
from detent.pipeline.codecs.annotations import hints_of
from detent.pipeline.codecs.classes import find_class
from detent.pipeline.codecs.table import dump, load
from detent.pipeline.nodes import RESULT, Node
from detent.project.code import load_callable, loaded_callable
from detent.project.sources import import_sources_of
from detent.store.blobs import Blobs


def load_step(node: Node, folder: Path) -> tuple[Callable[..., Any], tuple[type[Exception], ...]]:
    """Import a step; return its function, and the errors after which another attempt may succeed.

    Raises:
        ProjectError: its file fails to import, or has no such name.
    """
    import_sources_of(folder)
    if node.file:
        found = load_callable(f"{node.file}:{node.attribute}", folder)
    else:
        found = getattr(import_module(node.module), node.attribute)
    return _function_of(found)


def loaded_step(node: Node, folder: Path) -> tuple[Callable[..., Any], tuple[type[Exception], ...]] | None:
    """Return what `load_step` would when nothing has to be imported for it, None otherwise; see also `same_step`."""
    found = loaded_callable(f"{node.file}:{node.attribute}", folder) if node.file else None
    return None if found is None else _function_of(found)


def same_step(node: Node, folder: Path) -> tuple[Callable[..., Any], tuple[type[Exception], ...]] | None:
    """Return what `loaded_step` would when no file of the project has changed, which is not looked at here."""
    import_sources_of(folder)
    path = folder / node.file
    module = sys.modules.get(".".join(Path(node.file).with_suffix("").parts)) if node.file else None
    if module is None or getattr(module, "__file__", None) != str(path):
        return None
    found = getattr(module, node.attribute, None)
    return None if found is None else _function_of(found)


def _function_of(found: Any) -> tuple[Callable[..., Any], tuple[type[Exception], ...]]:
    return (found.function, found.retry_on) if isinstance(found, Step) else (found, ())


def load_arguments(function: Callable[..., Any], arguments: Mapping[str, object], blobs: Blobs) -> dict[str, Any]:
    """Read the stored leaves of the arguments.

    Raises:
        StoreError: a blob is missing.
        TamperedError: a blob is damaged.
        RefusedError: a pickle goes into a parameter that does not ask for one.
    """
    hints = hints_of(function)

    def value(leaf: Stored | StoredRecord, declared: object) -> Any:
        if isinstance(leaf, Stored):
            return load(leaf.artifact, blobs, declared=declared)
        kind = find_class(leaf.type)
        fields = hints_of(kind)
        return kind(**{name: load(field.artifact, blobs, declared=fields.get(name)) for name, field in leaf.fields})

    def argument(name: str, given: object) -> Any:
        return replace_stored(given, lambda leaf: value(leaf, hints.get(name)))

    return {name: argument(name, given) for name, given in arguments.items()}


def store_outputs(function: Callable[..., Any], node: Node, returned: object, blobs: Blobs) -> dict[str, Artifact]:
    """Store what a step returned, by output name.

    Raises:
        DataError: it is not of the declared type, lacks a promised output, or can't be stored so that it comes back.
    """
    declared = hints_of(function).get("return")
    if not node.record:
        return {RESULT: dump(returned, blobs, declared=declared)}
    missing = [name for name in node.outputs if not hasattr(returned, name)]
    if missing:
        raise DataError(
            what=f"step `{node.name}` returned no `{missing[0]}`",
            why=f"its annotation promises {', '.join(node.outputs)}, and it returned a {type(returned).__name__}",
            fix="return the NamedTuple or dataclass that the annotation names",
        )
    fields = hints_of(declared) if isinstance(declared, type) else {}
    return {name: dump(getattr(returned, name), blobs, declared=fields.get(name)) for name in node.outputs}


def seed_generators(key: str) -> None:
    """Start the global random generators of Python, NumPy and PyTorch from a step's cache key.

    So a step that draws from them gives the same result whenever and wherever it runs. Libraries that are not loaded
    are left alone: importing them later starts NumPy's from here too, for `numpy.random.seed` is called by `call`.
    """
    seed = int(key[:8], 16)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def call(function: Callable[..., Any], arguments: Mapping[str, Any], *, key: str) -> Any:
    """Call the function in this process, with seeded generators."""
    process = os.getpid()
    seed_generators(key)
    try:
        returned = function(**arguments)
    finally:
        if os.getpid() != process:  # the step forked, and this is its child: it must not commit a second time
            os._exit(0)
    return returned
