"""Imports of project files that execute what the file holds now.

Python takes a cached `.pyc` for a source of the same size whose time of change is in the same second. A file that is
edited and run again at once would be executed in its old form, and the result stored under the new one's fingerprint.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from typing import NoReturn

_prepared: set[str] = set()  # project folders of this process


class _UncachedLoader(SourceFileLoader):
    """Compiles the source each time; without a time of change Python neither reads nor writes a `.pyc`."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError(f"{path} is compiled from its source")


def import_sources_of(folder: Path) -> None:
    """Make this process import the files below a project folder from their sources, and find them at all."""
    root = str(folder)
    if root in _prepared:
        return
    _prepared.add(root)

    def hook(entry: str) -> FileFinder:
        path = Path(entry).resolve()
        installed = "site-packages" in path.parts  # an environment inside the project is no part of it
        if installed or not path.is_relative_to(folder):
            raise ImportError("not a project folder")
        return FileFinder(entry, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_UncachedLoader, SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, hook)
    sys.path[:] = [root, *(entry for entry in sys.path if entry != root)]
    for entry in [known for known in sys.path_importer_cache if Path(known).is_relative_to(folder)]:
        del sys.path_importer_cache[entry]
