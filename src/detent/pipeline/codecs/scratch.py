"""Where values lie that need files: the scratch folder of the attempt, or one of the process that goes when it ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

_current: ContextVar[Path | None] = ContextVar("scratch", default=None)
_of_process: dict[int, Path] = {}  # by process id: a forked process must not remove its parent's


@contextmanager
def using_scratch(folder: Path) -> Iterator[None]:
    """Make `folder` the place for files while the block runs; it is made when the first of them is.

    What a step leaves in it is given up: its outputs are moved into the store from there instead of being copied.
    Best it lies on the store's filesystem. Whoever calls this removes the folder when the loaded values are done with.
    """
    token = _current.set(_resolved(folder.parent) / folder.name)
    try:
        yield
    finally:
        _current.reset(token)


def new_folder(prefix: str) -> Path:
    """Return a new, empty folder for files."""
    return Path(tempfile.mkdtemp(dir=_folder(), prefix=f"{prefix}-"))


def is_given_up(path: Path) -> bool:
    """True for what lies in the attempt's scratch folder, which nobody needs afterwards."""
    current = _current.get()
    return current is not None and path.resolve().is_relative_to(current)


def holds_scratch(folder: Path) -> bool:
    """True when the attempt's scratch folder lies in `folder`, or is it."""
    current = _current.get()
    return current is not None and current.is_relative_to(folder.resolve())


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter; that it is there already is no mistake."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@lru_cache(maxsize=4)
def _resolved(folder: Path) -> Path:
    """Return where the links in a path lead; every step of a run asks for the same one."""
    return folder.resolve()


def _folder() -> Path:
    current = _current.get()
    if current is not None:
        make_private(current)
        return current
    process = os.getpid()
    if process not in _of_process:
        _of_process[process] = Path(tempfile.mkdtemp(prefix="detent-"))
        atexit.register(_remove, process)
    return _of_process[process]


def _remove(process: int) -> None:
    if process == os.getpid():
        shutil.rmtree(_of_process.pop(process), ignore_errors=True)
