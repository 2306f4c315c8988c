"""The fingerprint of a function of the project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from detent.pipeline.fingerprint.environment import Environment
from detent.pipeline.fingerprint.module import Files
from detent.pipeline.fingerprint.reach import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a function's result depends on besides its arguments."""

    components: Mapping[str, str]  # "features.py:clean" -> digest of its normalised syntax tree
    environment: Mapping[str, str]  # "python" -> "3.11", "polars" -> "2.1.0", "detent" -> ...
    files: Mapping[str, str]  # project files that were read for it, relative -> sha256


class CodeReader:
    """Fingerprints functions of one project as its files are now. Make a new one for every run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = Files(folder)
        self._environment = Environment()
        self._known: dict[tuple[tuple[str, str], ...], Code] = {}

    def code_of(self, names: Iterable[tuple[str, str]]) -> Code:
        """Return everything that the code behind some (module, name) pairs depends on, its packages' versions included.

        Raises:
            ProjectError: a project file is no valid Python.
        """
        wanted = tuple(sorted(set(names)))
        if wanted not in self._known:
            reach = Reach(self._files)
            for module, name in wanted:
                reach.follow(module, name)
            versions = self._environment.versions(sorted(reach.packages))
            self._known[wanted] = Code(components=reach.components, environment=versions, files=reach.files)
        return self._known[wanted]

    def edited(self, files: Mapping[str, str]) -> str | None:
        """Return the first file that is no longer what was read, or None."""
        for name, sha in files.items():
            path = self._folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha:
                return name
        return None
