"""Which of the project's modules a step executes: those that it loads, and those that it asks for and finds loaded."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Callable
from operator import is_
from types import ModuleType
from typing import Any

from detent.project.sources import SourceLoader


class Imports:
    """Follows imports between `begin` and `end`. What a module imports when it is loaded is known from then on."""

    def __init__(self) -> None:
        self._needed: dict[str, set[str]] = {}  # module -> modules that its top level asked for
        self._asked: set[str] = set()
        self._before: dict[str, ModuleType] = {}
        self._import: Callable[..., Any] = builtins.__import__
        self._by_name: Callable[..., Any] = _machinery()._gcd_import
        self._wrapped = (self._follow_statement, self._follow_call)

    def begin(self) -> None:
        """Follow imports from now on."""
        self._asked = set()
        self._before = dict(sys.modules)
        if builtins.__import__ is not self._wrapped[0]:
            self._import, builtins.__import__ = builtins.__import__, self._wrapped[0]
        machinery = _machinery()
        if machinery._gcd_import is not self._wrapped[1]:
            self._by_name, machinery._gcd_import = machinery._gcd_import, self._wrapped[1]

    def end(self) -> dict[str, str]:
        """Return the files that were executed, and the digest of the bytes that each was made from ("" if unknown)."""
        if builtins.__import__ is self._wrapped[0]:  # else somebody wrapped it once more
            builtins.__import__ = self._import
        machinery = _machinery()
        if machinery._gcd_import is self._wrapped[1]:
            machinery._gcd_import = self._by_name
        waiting, reached = [*self._loaded(), *self._asked], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += [name.rpartition(".")[0], *self._needed.get(name, ())]
        self._before = {}
        return dict(file for name in reached if (file := _file_of(name)))

    def _loaded(self) -> set[str]:
        """Return the names of the modules that came since `begin`."""
        before, now = self._before, dict(sys.modules)
        if len(before) == len(now) and all(map(is_, before.values(), now.values())):
            return set()  # most steps import nothing, and there are thousands of modules
        known = {id(module) for module in before.values()}  # some get a second name later
        return {name for name, module in now.items() if id(module) not in known}

    def _follow_statement(
        self,
        name: str,
        globals: dict[str, Any] | None = None,
        locals: dict[str, Any] | None = None,
        fromlist: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> Any:
        """Stand for `builtins.__import__`."""
        found = self._import(name, globals, locals, fromlist, level)
        if level:
            package = (globals or {}).get("__package__") or (globals or {}).get("__name__", "").rpartition(".")[0]
            base = package.rsplit(".", level - 1)[0] if level > 1 else package
            name = f"{base}.{name}" if name else base
        names = {name, *(f"{name}.{item}" for item in fromlist or ())}
        self._note(names, importer=str((globals or {}).get("__name__", "")) if locals is globals else "")
        return found

    def _follow_call(self, name: str, package: str | None = None, level: int = 0) -> Any:
        """Stand for what `importlib.import_module` calls."""
        found = self._by_name(name, package, level)
        self._note({found.__name__}, importer="")
        return found

    def _note(self, names: set[str], importer: str) -> None:
        ours = {name for name in names if _is_source(name)}
        if ours and importer:
            self._needed.setdefault(importer, set()).update(ours)
        elif ours:
            self._asked |= ours


def _machinery() -> Any:
    return importlib._bootstrap  # type: ignore[attr-defined]


def _is_source(name: str) -> bool:
    return isinstance(getattr(sys.modules.get(name), "__loader__", None), SourceLoader)


def _file_of(name: str) -> tuple[str, str] | None:
    """Return the source file of a module and the digest of what it held, None for what is not Python source."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    loader = getattr(module, "__loader__", None)
    file = getattr(spec, "origin", None) or getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return None
    return file, loader.executed if isinstance(loader, SourceLoader) else ""
