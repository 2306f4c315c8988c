"""Write a template's files as a new project."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from detent.errors import DetentError, Place
from detent.project import load
from detent.project.code import load_callable

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def scaffold(folder: Path, *, name: str, template: str) -> Path:
    """Write the template into a folder that is new or empty, make its sample data, and check that it loads.

    Raises:
        DetentError: the name can't be used in URLs, or the folder holds something already.
    """
    if not _NAME.fullmatch(name):
        raise DetentError(
            what=f"`{name}` can't be the name of a project",
            why="it becomes the name of an endpoint and of a folder",
            fix="use up to 63 small letters, digits, - and _, such as order-returns",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DetentError(
            what=f"{folder} is in the way",
            why="it exists and is not an empty folder; nothing is overwritten",
            fix="choose another name, or move it away",
            where=Place(file=str(folder)),
        )
    _write(resources.files("detent.cli").joinpath("templates", template), folder, name)
    load_callable("make_data.py:write", folder)(folder)
    load(folder)
    return folder


def _write(source: Traversable, target: Path, name: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if entry.name.startswith("__"):
            continue
        if entry.is_dir():
            _write(entry, target / entry.name, name)
        else:
            text = entry.read_text(encoding="utf-8").replace("{{ name }}", name)
            (target / entry.name).write_text(text, encoding="utf-8")
