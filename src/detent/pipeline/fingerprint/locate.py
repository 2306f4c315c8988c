"""Where does Python import a top-level name from, and which of these places hold source that its users edit?"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

MODULE_SUFFIXES = (*EXTENSION_SUFFIXES, ".py")  # in Python's order
NATIVE_SUFFIXES = (".so", ".pyd", ".dll", ".dylib")
OURS = "detent"  # this package: `own` knows what a project uses of it, however it is installed
_LEFT_OUT = frozenset({"__pycache__", "site-packages", "node_modules"})


@dataclass(slots=True)
class Listing:
    """What a folder holds."""

    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def module(self, name: str) -> str | None:
        """Return the file that is imported under a name, or None."""
        return next((name + suffix for suffix in MODULE_SUFFIXES if name + suffix in self.files), None)


@dataclass(slots=True)
class _Place:
    """Where a top-level name is imported from."""

    root: str | None = None  # the folder with source; None when there is none
    is_shared: bool = False  # packages from several places may lie below it (a namespace package)
    is_installed: bool = False


class SearchPath:
    """`sys.path` as a step's process has it: the project's folder first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[str, Listing] = {}
        self._places: dict[str, _Place] = {}
        self._hooked: dict[str, str | None] = {}

    def root_of(self, name: str, *, hooks: bool = True) -> str | None:
        """Return the folder with source that a top-level name is imported from; None when it is installed, or absent.

        Source is what lies in the project, or in a folder that is put on `sys.path` or installed "editable". Some of
        the latter are found by import hooks only, which takes longer.
        """
        place = self._place(name)
        if place.root is not None or not hooks or place.is_installed or name in sys.stdlib_module_names:
            return place.root
        if name not in self._hooked:
            self._hooked[name] = _root_by_hook(name)
        return self._hooked[name]

    def is_installed(self, name: str) -> bool:
        """True when a top-level name is imported from an installed package, or from the standard library."""
        return self._place(name).is_installed or name in sys.stdlib_module_names

    def is_shared(self, name: str) -> bool:
        """True when packages from several places may lie below a top-level name (a namespace package)."""
        return self._place(name).is_shared

    def listing(self, folder: str) -> Listing:
        """Return what a folder holds; nothing when it is none."""
        known = self._listings.get(folder)
        if known is None:
            known = self._listings[folder] = Listing()
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    (known.folders if entry.is_dir() else known.files).add(entry.name)
        return known

    @cached_property
    def entries(self) -> list[tuple[str, bool]]:
        """The folders of the search path, and whether each holds source rather than installed packages."""
        found = {str(self._folder): True}
        for entry in sys.path:
            path = Path(entry).resolve() if entry else self._folder
            if str(path) not in found and path.is_dir():
                found[str(path)] = not is_installed_place(path, self._folder)
        return list(found.items())

    def _place(self, name: str) -> _Place:
        if name not in self._places:
            self._places[name] = self._search(name)
        return self._places[name]

    def _search(self, name: str) -> _Place:
        if name == OURS:
            return _Place(is_installed=True)
        portions: list[tuple[str, bool]] = []
        for folder, is_source in self.entries:
            listing = self.listing(folder)
            inside = name in listing.folders
            if listing.module(name) or (inside and self.listing(f"{folder}/{name}").module("__init__")):
                return _Place(folder if is_source else None, is_installed=not is_source)
            if inside and (not is_source or any(python_files(f"{folder}/{name}"))):
                portions.append((folder, is_source))
        sources = [folder for folder, is_source in portions if is_source]
        installed = len(portions) > len(sources)
        return _Place(sources[0] if sources else None, is_shared=len(portions) > 1, is_installed=installed)


def python_files(folder: str) -> Iterator[str]:
    """Give every Python source file below a folder."""
    return (file for file in all_files(folder) if file.endswith(".py"))


def native_files(folder: str) -> list[str]:
    """Return every native library below a folder, in order."""
    return sorted(file for file in all_files(folder) if file.endswith(NATIVE_SUFFIXES) or ".so." in file)


def all_files(folder: str) -> Iterator[str]:
    """Give the path of every file below a folder, through links; environments and hidden folders are left out."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen or ("pyvenv.cfg" in files and place != folder):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("."))
        for name in sorted(files):
            yield f"{place}/{name}"


@cache
def _installed_places() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    return tuple(Path(path).resolve() for path in map(sysconfig.get_paths().get, names) if path)


def is_installed_place(path: Path, folder: Path) -> bool:
    """True for a folder with installed packages or the standard library, as seen from a project's folder."""
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    return not path.is_relative_to(folder) and any(path.is_relative_to(place) for place in _installed_places())


def _root_by_hook(name: str) -> str | None:
    """Return where an "editable" package lies that is found by an import hook rather than through `sys.path`."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        return None
    place = Path(spec.origin).resolve().parent
    place = place.parent if spec.submodule_search_locations else place
    return None if is_installed_place(place, place / "project") else str(place)
