"""What users' own tests may use: replay a whole project, make a clock move, a store misbehave, a program crash.

In: a project folder, or a part of one. Out: what happened. It knows everything below the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detent.testing.history import replay as replay

__all__ = ["replay"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: pytest loads this package for everybody (`plugin`), and a replay needs all libraries.
    if name != "replay":
        raise AttributeError(f"module 'detent.testing' has no attribute {name!r}")
    globals()[name] = getattr(import_module("detent.testing.history"), name)
    return globals()[name]
