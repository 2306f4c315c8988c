"""In which order do things happen when a module is imported, where it matters?

`from h import f` takes what `h.f` is at that moment; so does `B = A` where A is bound twice. To move such a statement
across one that has an effect may change what a step computes, though no statement changed.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from detent.pipeline.fingerprint.harmless import Conditions, is_quiet
from detent.pipeline.fingerprint.module import Files, Module
from detent.pipeline.fingerprint.sheet import Sheet, Statement, dotted, import_line


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that may change what comes after it: a statement with an effect, or an import of a module with one."""

    place: int  # index of the statement
    text: str
    statement: Statement | None  # None for an import


class Order:
    """The turns of each module of a project."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._conditions = Conditions(files)
        self._turns: dict[str, list[Turn]] = {}
        self._stirs: dict[str, bool] = {}

    def turns(self, module: Module) -> list[Turn]:
        """Return what has an effect when a module is imported, in order."""
        if module.name not in self._turns:
            self._turns[module.name] = self._find_turns(module)
        return self._turns[module.name]

    def text_of(self, module: Module, name: str) -> str:
        """Return everything that binds a name, in order, with notes where the place matters."""
        sheet, lines = module.sheet, {}
        for place in sheet.definitions.get(name, ()):
            statement = sheet.statements[place]
            reads = (
                bool(sheet.stars)  # `from x import *` may bind it, too
                or statement.calls
                or _is_import(sheet, place)
                or any(early in sheet.definitions or early in sheet.bindings for early in statement.early)
            )
            after = self._after(module, place) if reads or _is_rebound(sheet, name) else 0
            lines[place, ""] = statement.text + _note(after) + _rebound(sheet, statement, place)
        for place, binding in _bindings(sheet, name):
            # `from x import y` takes a value; a module stays the same object.
            taken = ":" in binding and self._files.find(dotted(binding)) is None
            taken = taken or bool(sheet.stars) or _is_rebound(sheet, name)
            lines[place, binding] = import_line(name, binding) + _note(self._after(module, place) if taken else 0)
        return "\n".join(lines[key] for key in sorted(lines))

    def _after(self, module: Module, place: int) -> int:
        """Return how many turns come before a statement."""
        return bisect_left([turn.place for turn in self.turns(module)], place)

    def _find_turns(self, module: Module) -> list[Turn]:
        turns: list[Turn] = []
        imported: set[str] = set()  # a second import of a module does nothing
        for place, name in module.sheet.events:
            if name:
                if name not in imported and self._import_stirs(name):
                    turns += _turn_of_import(module.sheet, place, name)
                imported.add(name)
            else:
                statement = module.sheet.statements[place]
                if not self._conditions.hold(module, statement.effect):
                    text = statement.text + _rebound(module.sheet, statement, place)
                    turns.append(Turn(place, text, statement))
        return turns

    def _import_stirs(self, name: str) -> bool:
        top, _, rest = name.partition(".")
        if self._files.find(top) is None:
            return not rest and not is_quiet(top)
        parts = name.split(".")
        modules = [self._files.find(".".join(parts[:count])) for count in range(1, len(parts) + 1)]
        return modules[-1] is not None and any(self._stirs_anything(module) for module in modules if module)

    def _stirs_anything(self, module: Module) -> bool:
        """True when importing a module, or one that it imports, has an effect."""
        seen, todo = {module.name}, [module]
        while todo:
            found = todo.pop()
            if self._stirs.get(found.name) or found.is_native or self._has_effect(found):
                self._stirs[module.name] = True
                return True
            for _, name in found.sheet.events if found.name not in self._stirs else ():
                deeper = self._files.find(name) if name else None
                if deeper is not None and deeper.name not in seen:
                    seen.add(deeper.name)
                    todo.append(deeper)
        self._stirs |= dict.fromkeys(seen, False)
        return False

    def _has_effect(self, module: Module) -> bool:
        places = [place for place, name in module.sheet.events if not name]
        return any(not self._conditions.hold(module, module.sheet.statements[place].effect) for place in places)


def _turn_of_import(sheet: Sheet, place: int, name: str) -> list[Turn]:
    statement = sheet.statements[place]
    if statement.text.startswith(("import ", "from ")):
        return [Turn(place, f"import {name}", None)]
    return [Turn(place, statement.text, statement)]  # under a condition: what that says matters, too


def _bindings(sheet: Sheet, name: str) -> list[tuple[int, str]]:
    """Return the plain imports that bind a name; `import a.b` and `import a.c` bind `a` to the same module."""
    found: dict[tuple[int, str], tuple[int, str]] = {}
    for place, binding in sheet.imported.get(name, ()):
        found.setdefault((place if ":" in binding else -1, binding), (place, binding))
    return list(found.values())


def _is_rebound(sheet: Sheet, name: str) -> bool:
    return len(sheet.definitions.get(name, ())) + len(_bindings(sheet, name)) > 1


def _is_import(sheet: Sheet, place: int) -> bool:
    return any(name and at == place for at, name in sheet.events)


def _rebound(sheet: Sheet, statement: Statement, place: int) -> str:
    """Note which of several values of a name a statement may read."""
    names = {*sheet.definitions, *sheet.imported} if statement.calls else statement.early
    notes = []
    for name in sorted(name for name in names if _is_rebound(sheet, name)):
        places = [*sheet.definitions.get(name, ()), *(at for at, _ in _bindings(sheet, name))]
        before = sum(at < place for at in places)
        notes += [f"\n# after {before} of {len(places)} x {name}"] if before else []
    return "".join(notes)


def _note(after: int) -> str:
    return f"\n# after {after} statements with an effect" if after else ""
