"""The processes that workers are forked from: they have loaded what takes long to load, once for all workers.

A library that computes in threads starts them when it is loaded, and a fork leaves them behind: a worker can still be
made hermetic. So a worker is forked from a parent that has at least what its task uses, and a run that uses little does
not wait for much to be loaded.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Collection, Iterator
from multiprocessing import forkserver
from multiprocessing.forkserver import ForkServer

_OURS = (
    "detent.pipeline.executors.preload",  # first: what it forks stays small
    "detent.pipeline.executors.worker",
    "detent.pipeline.codecs.folder",
)
# Packages that take long to load and stand a fork after it -> the modules to load.
HEAVY = {
    "numpy": ("detent.pipeline.codecs.npy",),
    "polars": ("detent.pipeline.codecs.parquet",),
    "pyarrow": ("pyarrow",),
}
_parents: dict[frozenset[str], ForkServer] = {}  # by what they load; each starts when it is first used


def modules_of(packages: Collection[str] | None) -> frozenset[str]:
    """Return the modules that are worth loading once for code that loads these packages; None: it may load any."""
    return frozenset(module for name in HEAVY if packages is None or name in packages for module in HEAVY[name])


@contextlib.contextmanager
def forked_from(modules: frozenset[str]) -> Iterator[None]:
    """Let processes that start in this block be forked from a parent that has loaded these modules, or more.

    Not for several threads at once.
    """
    parent = _parent_with(modules)
    kept = forkserver.connect_to_new_process
    forkserver.connect_to_new_process = parent.connect_to_new_process
    try:
        with _no_main_module():
            yield
    finally:
        forkserver.connect_to_new_process = kept


def start_parent() -> None:
    """Start the parent of workers that need nothing heavy, and don't wait until it is ready."""
    _parent_with(frozenset()).ensure_running()


def _parent_with(modules: frozenset[str]) -> ForkServer:
    parent = next((one for loaded, one in _parents.items() if modules <= loaded), None)
    if parent is None:
        parent = _parents[modules] = ForkServer()
        parent.set_forkserver_preload([*_OURS, *sorted(modules)])  # by default it imports the main script
    return parent


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep multiprocessing from importing the script that was started into the worker, where it would run again."""
    kept = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = kept
