"""Imports of project files that execute what the files hold now.

Python takes a cached `.pyc` for a source of the same size whose time of change is in the same second, and never imports
a module twice. A file that is edited and run again would be executed in its old form: at once in a new process, and for
good in a process that lives on.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from typing import Any, NoReturn

from detent.store.canonical import digest

_AT_REST = 2 * 10**9  # nanoseconds
_prepared: set[str] = set()  # project folders of this process
_specs: dict[tuple[int, str, int], dict[str, ModuleSpec]] = {}  # what was found, by the state of sys.modules; one


class SourceLoader(SourceFileLoader):
    """Compiles the source each time and remembers what it held.

    Without a time of change Python neither reads nor writes a `.pyc`.
    """

    executed = ""  # digest of the source that the module was made from
    seen: tuple[int, ...] = ()  # what the file looked like then

    def path_stats(self, path: str) -> NoReturn:
        """Give no time of change."""
        raise OSError(f"{path} is compiled from its source")

    def source_to_code(self, data: Any, path: Any, **options: Any) -> Any:
        """Compile a source."""
        self.executed, self.seen = digest(data), _look(self.path)
        return super().source_to_code(data, path, **options)

    def is_current(self) -> bool:
        """Return False when the file holds something else by now, or is gone."""
        try:
            # A file that had been at rest when it was read can't have changed without looking different.
            return (self.seen == _look(self.path) != ()) or digest(Path(self.path).read_bytes()) == self.executed
        except OSError:
            return False


def _look(path: str) -> tuple[int, ...]:
    """Return what tells a file apart from a changed one; () for one that was changed less than two seconds ago."""
    found = Path(path).stat()
    rested = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _AT_REST
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) if rested else ()


def import_sources_of(folder: Path) -> None:
    """Make this process import the files below a project folder (an absolute path) from their sources, and first."""
    root = str(folder)
    if sys.path[:1] != [root]:
        sys.path[:] = [root, *(entry for entry in sys.path if entry != root)]
    if root in _prepared:
        return
    _prepared.add(root)

    def hook(entry: str) -> FileFinder:
        path = Path(entry).resolve()
        installed = "site-packages" in path.parts  # an environment inside the project is no part of it
        if installed or not path.is_relative_to(folder):
            raise ImportError("not a project folder")
        return FileFinder(entry, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceLoader, SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, hook)
    for entry in [known for known in sys.path_importer_cache if Path(known).is_relative_to(folder)]:
        del sys.path_importer_cache[entry]


def forget_edited(folder: Path) -> None:
    """When one of the project's imported files has changed, make the next import read all of them again.

    All, because a module that stays would keep on using what it once imported from the one that changed. Modules of
    another project that this process opened are forgotten where this project has files of the same name.
    """
    specs = _project_specs()
    here = {name for name, spec in specs.items() if _lies_in(spec, str(folder))}
    edited = not all(
        spec.loader.is_current()
        for name, spec in specs.items()
        if name in here and isinstance(spec.loader, SourceLoader)
    )
    forgotten = [name for name in specs if (edited if name in here else _is_named(name, folder))]
    for name in forgotten:
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        if parent in sys.modules:  # `from parent import child` looks there first
            vars(sys.modules[parent]).pop(child, None)
    if forgotten:
        _specs.clear()
        importlib.invalidate_caches()


def _project_specs() -> dict[str, ModuleSpec]:
    """Return the modules that were made from project files, and the folders that they were found in as packages.

    Looked for again when modules came or went: there are thousands, and this is asked before each step.
    """
    now = (len(sys.modules), next(reversed(sys.modules), ""), len(_prepared))
    if now not in _specs:
        _specs.clear()
        _specs[now] = _find_specs()
    return _specs[now]


def _find_specs() -> dict[str, ModuleSpec]:
    found = {name: getattr(module, "__spec__", None) for name, module in list(sys.modules.items())}
    return {
        name: spec
        for name, spec in found.items()
        if isinstance(spec, ModuleSpec) and (isinstance(spec.loader, SourceLoader) or _is_open_package(spec))
    }


def _is_open_package(spec: ModuleSpec) -> bool:
    """Return True for a folder without `__init__.py` of a project; it may span the folders of several projects."""
    places = [] if spec.origin else list(spec.submodule_search_locations or ())
    return any(place.startswith(f"{root}{os.sep}") for place in places for root in _prepared)


def _lies_in(spec: ModuleSpec, root: str) -> bool:
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(places) and all(
        place.startswith(f"{root}{os.sep}") and f"{os.sep}site-packages{os.sep}" not in place for place in places
    )


def _is_named(name: str, folder: Path) -> bool:
    path = folder.joinpath(*name.split("."))
    return path.is_dir() or path.with_name(f"{path.name}.py").is_file()
