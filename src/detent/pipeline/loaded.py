"""The project's modules that this process has imported, and whether they are what a plan says."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType

from detent.project.sources import SourceLoader


class Loaded:
    """Compares without asking the file system: each module knows the bytes that it was made from."""

    def __init__(self) -> None:
        self._when = (0, "")
        self._modules: dict[str, ModuleType] = {}  # by name; all that may be made from sources of a project

    def are(self, folder: str, files: Mapping[str, str]) -> bool:
        """False when a module was made from other bytes than `files` says: relative to the folder -> sha256.

        Modules that are not named there do not matter, but those of another project might hide this one's.
        """
        start = f"{folder}/"
        return all(
            loader.path.startswith(start)
            and files.get(loader.path.removeprefix(start), loader.executed) == loader.executed
            for loader in self._loaders()
        )

    def _loaders(self) -> list[SourceLoader]:
        when = (len(sys.modules), next(reversed(sys.modules), ""))
        if when != self._when or any(sys.modules.get(name) is not one for name, one in self._modules.items()):
            found = list(sys.modules.items())
            self._modules = {name: one for name, one in found if isinstance(_loader_of(one), SourceLoader)}
            self._when = when
        loaders = map(_loader_of, self._modules.values())
        return [loader for loader in loaders if isinstance(loader, SourceLoader)]


def _loader_of(module: ModuleType) -> object:
    return getattr(getattr(module, "__spec__", None), "loader", None)
