"""The project's modules by their dotted names, as Python would find them, read once each."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from detent.errors import Place, ProjectError
from detent.pipeline.fingerprint.keep import Shelf
from detent.pipeline.fingerprint.locate import SearchPath, python_files
from detent.pipeline.fingerprint.read import read_sheet
from detent.pipeline.fingerprint.sheet import Sheet, from_plain, to_plain

_OUTSIDE = "(path) "  # before the file of a package that is used from a folder, as in "(path) shared/clean.py"
_FRESH = 2.0  # seconds: a file system may give an edit the time of the one before


@dataclass(slots=True, eq=False)
class Module:
    """A module of the project.

    A folder without `__init__.py` (a namespace package) has no file; it and a compiled extension have empty sheets.
    """

    name: str  # dotted
    file: str  # as shown; "" for none
    path: str
    sheet: Sheet
    is_package: bool = False

    @property
    def is_native(self) -> bool:
        """True for a compiled extension."""
        return bool(self.file) and not self.file.endswith(".py")


class Files:
    """The Python files of a project, and of the packages that are used from a folder rather than installed."""

    def __init__(self, folder: Path, shelf: Shelf | None) -> None:
        self.folder = folder.resolve()
        self.path = SearchPath(self.folder)
        self.missing: dict[str, tuple[str, ...]] = {}  # name -> files that would be imported if they were there
        self._shelf = shelf
        self._known: dict[str, Module | None] = {}
        self._relative: dict[str, str] = {}
        self._read: dict[str, tuple[str, tuple[int, ...] | None]] = {}  # file -> its sha256, and its marks when read

    def find(self, name: str) -> Module | None:
        """Return the project's module of that dotted name, or None when it is not part of the project.

        Raises:
            ProjectError: the file is no valid Python.
        """
        if name not in self._known:
            self._known[name] = self._find(name) if name and all(name.split(".")) else None
        return self._known[name]

    def below(self, name: str) -> list[tuple[str, str]]:
        """Return (dotted name, path) of all source files below a package; of the whole project for "".

        The name is "" for a file that can't be imported by one, such as my-script.py.
        """
        root = str(self.folder) if not name else self.path.root_of(name.partition(".")[0])
        found: list[tuple[str, str]] = []
        for file in python_files("/".join([root, *filter(None, name.split("."))])) if root else ():
            parts = file[len(root or "") + 1 : -len(".py")].split("/")
            dotted = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
            found.append((dotted if all(part.isidentifier() for part in parts) else "", file))
        return sorted(found)

    def shown(self, path: str) -> str:
        """Return how a file is called: by its path in the folder that it is imported from."""
        for folder, is_source in self.path.entries:
            if is_source and path.startswith(f"{folder}/"):
                return ("" if folder == str(self.folder) else _OUTSIDE) + path[len(folder) + 1 :]
        return _OUTSIDE + "/".join(path.split("/")[-2:])

    def relative(self, path: str) -> str:
        """Return a path relative to the project folder, also when it lies outside of it."""
        if path not in self._relative:
            self._relative[path] = Path(os.path.relpath(path, self.folder)).as_posix()
        return self._relative[path]

    def read(self, path: str) -> bytes:
        """Return a file's bytes, and remember what they were."""
        marks = _marks(Path(path))
        data = Path(path).read_bytes()
        self._read[self.relative(path)] = (hashlib.sha256(data).hexdigest(), marks)
        return data

    def sha(self, file: str) -> str:
        """Return the sha256 of a file that was read, by its path relative to the project folder."""
        return self._read[file][0]

    def is_unchanged(self, file: str, sha: str) -> bool:
        """True when a file, relative to the project folder, still has the bytes with that digest."""
        path = self.folder / file
        known, marks = self._read.get(file, ("", None))
        if known == sha and marks is not None and marks == _marks(path):
            return True
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest() == sha
        except OSError:
            return False

    def _find(self, name: str) -> Module | None:
        parent, _, last = name.rpartition(".")
        folder = self._folder_of(parent, name)
        if folder is None:
            return None
        listing = self.path.listing(folder)
        if last in listing.folders:
            file = self.path.listing(f"{folder}/{last}").module("__init__")
            if file is not None:
                return self._module(name, f"{folder}/{last}/{file}", is_package=True)
        file = listing.module(last)
        if file is not None:
            return self._module(name, f"{folder}/{file}", is_package=False)
        if last in listing.folders and any(python_files(f"{folder}/{last}")):
            return Module(name, "", f"{folder}/{last}", Sheet(""), is_package=True)
        self._miss(name, f"{folder}/{last}")
        return None

    def _folder_of(self, parent: str, name: str) -> str | None:
        """Return the folder that holds a module."""
        if not parent:
            root = self.path.root_of(name)
            if root is None:
                self._miss(name, f"{self.folder}/{name}")
            return root
        package = self.find(parent)
        if package is None or not package.is_package:
            return None
        return package.path.rpartition("/")[0] if package.file else package.path

    def _miss(self, name: str, path: str) -> None:
        place = self.relative(path)
        self.missing[name] = (f"{place}.py", f"{place}/__init__.py")

    def _module(self, name: str, path: str, *, is_package: bool) -> Module:
        data = self.read(path)
        file, sha = self.shown(path), self.sha(self.relative(path))
        if not path.endswith(".py"):
            return Module(name, file, path, Sheet(sha), is_package=is_package)
        package = name if is_package else name.rpartition(".")[0]
        kept = self._shelf.get(file, f"{sha} {package}") if self._shelf else None
        if kept is not None:
            return Module(name, file, path, from_plain(kept), is_package=is_package)
        sheet = _parse(data, path, file, package)
        if self._shelf:
            self._shelf.put(file, f"{sha} {package}", to_plain(sheet))
        return Module(name, file, path, sheet, is_package=is_package)


def _parse(data: bytes, path: str, file: str, package: str) -> Sheet:
    try:
        return read_sheet(data, package)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProjectError(
            what=f"{file} is no valid Python",
            why=str(error),
            fix="mend the line below",
            where=Place(file=path, line=getattr(error, "lineno", None)),
        ) from error


def _marks(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file that was edited from one that was not; None for one that was edited just now."""
    try:
        found = path.stat()
    except OSError:
        return None
    if time.time() - found.st_mtime < _FRESH:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
