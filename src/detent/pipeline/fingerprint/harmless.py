"""Do the conditions under which a statement has no effect hold, now that all files are there?"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable

from detent.pipeline.fingerprint.known import QUIET
from detent.pipeline.fingerprint.module import Files, Module
from detent.pipeline.fingerprint.sheet import ALWAYS, dotted

_FIELDS = {
    "call": "called", "twice": "twice", "make": "called", "extend": "extended", "plain": "plain", "data": "data"
}  # fmt: skip
_Condition = tuple[Module, str]


class Conditions:
    """Looks conditions up in the files of a project, each once."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[_Condition, bool] = {}

    def hold(self, module: Module, conditions: Iterable[str]) -> bool:
        """True when all hold; they were noted in a statement of `module`."""
        return all(self._holds((module, condition)) for condition in conditions)

    def _holds(self, condition: _Condition) -> bool:
        """True when neither it fails nor any condition that it leads to: definitions may need each other."""
        if condition in self._known:
            return self._known[condition]
        seen, todo = {condition}, [condition]
        while todo:
            further = self._look_up(*todo.pop())
            if further is None or any(self._known.get(one) is False for one in further):
                self._known[condition] = False
                return False
            fresh = {one for one in further if one not in self._known} - seen
            seen |= fresh
            todo += fresh
        self._known |= dict.fromkeys(seen, True)
        return True

    def _look_up(self, module: Module, condition: str) -> list[_Condition] | None:
        """Return what a condition leads to; None when it fails by itself."""
        kind, _, name = condition.partition(" ")
        if condition == ALWAYS:
            return None
        if name.startswith("."):
            return None if kind == "outside" else self._named(module, kind, name[1:])
        found, rest = self._resolve(name)
        if found is None:
            return [] if _holds_outside(kind, name) else None
        if kind == "exist":  # what a module does not define is made by its `__getattr__`
            return [] if not rest or _defines(found, rest[0]) else None
        # An attribute of a class or object: nobody looks into it but to use it as data.
        known = kind in ("plain", "data") if len(rest) > 1 else kind != "outside"
        return self._named(found, kind, rest[0]) if rest and known else None

    def _resolve(self, name: str) -> tuple[Module | None, list[str]]:
        """Return the deepest module of the project that a dotted name leads through, and what follows it."""
        found, rest = None, name.split(".")
        while rest:
            deeper = self._files.find(f"{found.name}.{rest[0]}" if found else rest[0])
            if deeper is None:
                break
            found, rest = deeper, rest[1:]
        return found, rest

    def _named(self, module: Module, kind: str, name: str) -> list[_Condition] | None:
        """Return what has to hold for everything that a module binds a name to."""
        if not _defines(module, name):
            return None
        sheet = module.sheet
        statements = [sheet.statements[place] for place in sheet.definitions.get(name, ())]
        inside = [(module, condition) for one in statements for condition in getattr(one, _FIELDS[kind])]
        return inside + [(module, f"{kind} {dotted(binding)}") for binding in sheet.bindings.get(name, ())]


def is_quiet(name: str) -> bool:
    """True when importing a package, or subclassing a class of it, does nothing for code that does not name it."""
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top in QUIET or hasattr(builtins, name)


def _holds_outside(kind: str, name: str) -> bool:
    if kind in ("make", "extend"):
        return is_quiet(name)
    return kind not in ("call", "twice")


def _defines(module: Module, name: str) -> bool:
    return name in module.sheet.definitions or name in module.sheet.bindings
