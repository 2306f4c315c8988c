"""Where values lie that need files: the scratch folder of the attempt, or one of the process that goes when it ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_current: ContextVar[Path | None] = ContextVar("scratch", default=None)
_of_process: dict[int, Path] = {}  # by process id: a forked process must not remove its parent's


@contextmanager
def using_scratch(folder: Path) -> Iterator[None]:
    """Make `folder` the place for files while the block runs.

    What a step leaves in it is given up: its outputs are moved into the store from there instead of being copied.
    Best it lies on the store's filesystem. Whoever calls this removes the folder when the loaded values are done with.
    """
    token = _current.set(folder.resolve())
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


def _folder() -> Path:
    current = _current.get()
    if current is not None:
        current.mkdir(parents=True, exist_ok=True)
        return current
    process = os.getpid()
    if process not in _of_process:
        _of_process[process] = Path(tempfile.mkdtemp(prefix="detent-"))
        atexit.register(_remove, process)
    return _of_process[process]


def _remove(process: int) -> None:
    if process == os.getpid():
        shutil.rmtree(_of_process.pop(process), ignore_errors=True)
