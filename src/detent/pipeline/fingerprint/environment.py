"""Versions of what a function uses from outside the project."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from detent.pipeline.fingerprint import own
from detent.pipeline.fingerprint.distributions import Installed, digest_of, sources_below
from detent.pipeline.fingerprint.keep import Shelf
from detent.pipeline.fingerprint.locate import SearchPath


class Environment:
    """The interpreter and the installed packages, looked up once each."""

    def __init__(self, path: SearchPath, shelf: Shelf | None = None) -> None:
        self._path = path
        self._shelf = shelf
        self._known: dict[tuple[frozenset[str], bool], Mapping[str, str]] = {}
        self._identities: dict[str, str] = {}

    def versions(self, packages: Iterable[str], *, everything: bool = False) -> Mapping[str, str]:
        """Return the versions of Python, of the platform, and of all that these top-level modules need to run.

        That is the distributions that bring them and, in turn, what those require, by their names. A module without a
        distribution counts with the digest of its files, and one that is not there as "absent". Names of this package
        are given in full ("detent.data.Split"). `everything` adds a digest of all that is installed.
        """
        key = (frozenset(packages), everything)
        if key not in self._known:
            self._known[key] = self._versions(*key)
        return self._known[key]

    def _versions(self, packages: frozenset[str], everything: bool) -> Mapping[str, str]:
        found = {"python": _python(), "platform": f"{sys.platform}-{platform.machine().lower()}"}
        ours, behind = own.behind(name for name in packages if name.partition(".")[0] == "detent")
        if ours:
            found["detent"] = ours
        roots = []
        for module in sorted({*packages, *behind}):
            if module in sys.stdlib_module_names or module.partition(".")[0] == "detent":
                continue
            brought = self._installed.providers(module)
            roots += brought
            if not brought and (module in packages or self._path.is_installed(module)):
                found[module] = self._files_of(module)
        for name, one in self._installed.closure(roots).items():
            if name != "detent":
                found[name] = self._identity(name) if one else "absent"
        if everything:
            versions = sorted((one.name, one.version) for one in self._installed.by_name.values())
            found["everything installed"] = hashlib.sha256(repr(versions).encode()).hexdigest()[:16]
        return dict(sorted(found.items()))

    @cached_property
    def _installed(self) -> Installed:
        return Installed((folder for folder, is_source in self._path.entries if not is_source), self._shelf)

    def _identity(self, name: str) -> str:
        if name not in self._identities:
            self._identities[name] = self._installed.by_name[name].identity()
        return self._identities[name]

    def _files_of(self, module: str) -> str:
        if module not in self._identities:
            self._identities[module] = _files_digest(module)
        return self._identities[module]


def _python() -> str:
    """Return the version, with the implementation when it is not the usual one, and -O, which drops `assert`."""
    name = sys.implementation.name
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{'' if name == 'cpython' else f'{name} '}{version}{' -O' if sys.flags.optimize else ''}"


def _files_digest(module: str) -> str:
    """Return a digest of the files of a module that no distribution brings: put there by hand, or inside an archive."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        return "absent"
    archive = getattr(spec.loader, "archive", None)
    folders = list(spec.submodule_search_locations or ())
    if archive:
        files = [archive]
    elif folders:
        files = [file for folder in folders for file in sources_below(folder)]
    else:
        files = [spec.origin] if spec.origin and Path(spec.origin).is_file() else []
    return f"files {digest_of(files)}"
