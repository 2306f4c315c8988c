"""Functions of the project that the gate section names, imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detent.errors import Place, ProjectError
from detent.loop.workspace import Workspace
from detent.project.code import load_callable


def own_code(ws: Workspace) -> dict[str, Callable[..., Any]]:
    """Return every function that a line of the gate section names, by `file.py:name`.

    Raises:
        ProjectError: it can't be imported, with the line of its file, or is nothing to call, with that of detent.yaml.
    """
    found: dict[str, Callable[..., Any]] = {}
    for check in ws.project.gate:
        if check.code is None or check.code in found:
            continue
        function = load_callable(check.code, ws.folder)
        if not callable(function):
            raise ProjectError(
                what=f"`{check.code}` is no function",
                why=f"it is {type(function).__name__}, and the check `{check.text}` calls it",
                fix="name a function",
                where=Place(file="detent.yaml", line=check.line, field="gate"),
            )
        found[check.code] = function
    return found
