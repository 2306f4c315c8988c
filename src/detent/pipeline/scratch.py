"""The folder in which an attempt may write: made when it needs one, removed after it, also when it was killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detent.pipeline.lease import is_alive, owner_name

_FOLDER = "scratch"  # in the state folder
_SEPARATOR = ","  # a name is its owner's, with this for "/", and something random


@contextmanager
def attempt_folder(state: Path) -> Iterator[Path]:
    """Give the path of a folder that is removed at the end of the block; whoever writes there makes it.

    Most steps need none. Nobody else uses its name.
    """
    owner = owner_name(os.getpid()).replace("/", _SEPARATOR)
    folder = state / _FOLDER / f"{owner}{_SEPARATOR}{os.urandom(8).hex()}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left(state: Path) -> None:
    """Remove the folders of processes that died before they could; those of other machines are theirs to remove."""
    parent = state / _FOLDER
    for folder in parent.iterdir() if parent.is_dir() else ():
        owner, _, _ = folder.name.rpartition(_SEPARATOR)
        if owner.count(_SEPARATOR) == 3 and not is_alive(owner.replace(_SEPARATOR, "/")):
            shutil.rmtree(folder, ignore_errors=True)
