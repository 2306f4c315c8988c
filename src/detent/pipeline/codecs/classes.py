"""Classes by the name under which any process can import them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from detent.errors import DataError


def name_class(kind: type) -> str:
    """Return "module:class".

    Raises:
        DataError: other processes can't import the class.
    """
    if "<locals>" in kind.__qualname__ or kind.__module__ == "__main__":
        raise DataError(
            what=f"a `{kind.__qualname__}` can't be an output of a step",
            why="its class is defined inside a function or in the script that was started: nobody else can import it",
            fix="define the class at the top level of a file of the project",
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def find_class(name: str) -> Any:
    """Import and return a class by its "module:class".

    Raises:
        DataError: the class is gone.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise DataError(
            what=f"the class `{path}` of a stored value is gone",
            why=f"{module} does not have it: {error}",
            fix="bring the class back, or run the step again that makes the value",
        ) from error
    return found
