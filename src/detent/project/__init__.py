"""detent.yaml and the Python it names -> records.Project.

In: a folder. Out: one frozen record in which every reference was checked, or an error that names file, line and column.
The only package that reads the environment. It knows nothing about data, models or servers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detent.project.declaration import load, load_pipeline

__all__ = ["load", "load_pipeline"]


def __getattr__(name: str) -> Any:
    # Names load on first use: parsing detent.yaml takes libraries that a run in which nothing changed does without.
    if name not in __all__:
        raise AttributeError(f"module 'detent.project' has no attribute {name!r}")
    return getattr(import_module("detent.project.declaration"), name)
