"""The fingerprint of a function of the project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from detent.pipeline.fingerprint.environment import Environment
from detent.pipeline.fingerprint.keep import Shelf
from detent.pipeline.fingerprint.module import Files
from detent.pipeline.fingerprint.reach import Reacher
from detent.pipeline.fingerprint.sheet import Mark
from detent.pipeline.fingerprint.web import Web


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a function's result depends on besides its arguments. Equal code has equal components, and the reverse."""

    components: Mapping[str, str]  # "features.py:clean" -> sha256 of its source below
    environment: Mapping[str, str]  # "python" -> "3.11", "polars" -> "2.1.0", ...
    files: Mapping[str, str]  # project files that were read for it, relative -> sha256
    sources: Mapping[str, str]  # "features.py:clean" -> text without comments, formatting and docstrings
    missing: tuple[str, ...]  # files that are not there and would be used if they were; may be a pattern, "**/*.py"


class CodeReader:
    """Fingerprints functions of one project as its files are when it first reads them. Make a new one for every run.

    `shelf` is a folder in which what was read of each file is kept for the next reader. It may be deleted at any time.
    """

    def __init__(self, folder: Path, *, shelf: Path | None = None) -> None:
        kept = Shelf(shelf) if shelf else None
        self._files = Files(folder, kept)
        self._reacher = Reacher(Web(self._files))
        self._environment = Environment(self._files.path, kept)
        self._known: dict[tuple[tuple[str, str], ...], Code] = {}

    def code_of(self, names: Iterable[tuple[str, str]]) -> Code:
        """Return everything that the code behind some (module, name) pairs depends on, its packages' versions included.

        Raises:
            ProjectError: a project file is no valid Python.
        """
        wanted = tuple(sorted(set(names)))
        if wanted not in self._known:
            self._known[wanted] = self._read(wanted)
        return self._known[wanted]

    def edited(self, files: Mapping[str, str]) -> str | None:
        """Return the first file that is no longer what was read, or None."""
        return next((file for file, sha in files.items() if not self._files.is_unchanged(file, sha)), None)

    def _read(self, wanted: tuple[tuple[str, str], ...]) -> Code:
        found = self._reacher.reach(wanted)
        everything = bool(found.marks & Mark.INSTALLED)
        return Code(
            components=dict(sorted(found.components.items())),
            environment=self._environment.versions(found.packages, everything=everything),
            files=dict(sorted(found.files.items())),
            sources=dict(sorted(found.sources.items())),
            missing=tuple(sorted(found.missing)),
        )
