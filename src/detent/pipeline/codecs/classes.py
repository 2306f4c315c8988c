"""Classes by the name under which any process can import them."""

from __future__ import annotations

import sys
from importlib import import_module
from operator import attrgetter
from typing import Any

from detent.errors import DataError


def name_class(kind: type) -> str:
    """Return "module:class".

    Raises:
        DataError: other processes can't import the class.
    """
    name = f"{kind.__module__}:{kind.__qualname__}"
    if "<locals>" in kind.__qualname__ or kind.__module__ in ("__main__", "__mp_main__"):
        why = "its class is defined inside a function or in the script that was started: nobody else can import it"
    elif _found(name) is not kind:
        why = f"{name} is not its class: that name is gone, or means another class by now"
    else:
        return name
    raise DataError(
        what=f"a `{kind.__qualname__}` can't be an output of a step",
        why=why,
        fix="define the class at the top level of a file of the project, under the name that it has",
    )


def find_class(name: str) -> Any:
    """Import and return a class by its "module:class".

    Raises:
        DataError: the class is gone.
    """
    module, _, path = name.partition(":")
    try:
        import_module(module)
        return attrgetter(path)(sys.modules[module])
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(
            what=f"the class `{path}` of a stored value is gone",
            why=f"{module} does not have it: {error}",
            fix="bring the class back, or run the step again that makes the value",
        ) from error


def _found(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        return attrgetter(path)(sys.modules[module])
    except (KeyError, AttributeError):
        return None
