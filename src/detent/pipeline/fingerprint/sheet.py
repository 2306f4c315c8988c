"""What is known of one file after it was read once: plain data, no syntax trees, so that it can be kept on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

ALWAYS = "*"  # it always has an effect: a condition that never holds


class Mark(IntEnum):
    """What a piece of syntax does that names can't show: bits of a number."""

    OWN_MODULE = 1  # anything in its module may be used
    ANYTHING = 2  # anything in the project may be used
    DOCS = 4  # docstrings matter
    SOURCE = 8  # comments and line numbers matter
    INSTALLED = 16  # the list of installed packages matters
    PATHS = 32  # modules may be found elsewhere than in `sys.path` as it is now
    NATIVE = 64  # libraries in the project may be loaded
    PROCESSES = 128  # programs in the project may be started


@dataclass(slots=True)
class Uses:
    """What a piece of syntax refers to."""

    names: list[str] = field(default_factory=list)  # "helpers.norm", from a name of the module; "helpers:" the module
    bindings: dict[str, list[str]] = field(default_factory=dict)  # imports inside: name -> "module" or "module:name"
    imports: list[str] = field(default_factory=list)  # modules that such imports execute; "a.*" is all below a
    strings: list[str] = field(default_factory=list)  # texts that may name code: "helpers.norm", "train.py"
    marks: int = 0


def _always() -> list[str]:
    return [ALWAYS]


@dataclass(slots=True)
class Statement:
    """A top-level statement.

    A condition is "kind x" with a dotted name x, or ".x" for a name of the same module. It always holds for names from
    outside of which nothing bad is known, and for the project's own definitions: "call" and "twice" (calling it, and
    what it returns, only computes), "make" (as a base of a class that is called), "extend" (subclassing it does
    nothing), "plain" (it is data or a class), "data", "exist"; "outside" holds for no name of the project. ALWAYS never
    holds.
    """

    text: str = ""  # normalised: no comments, formatting or docstrings
    docs: dict[str, str] = field(default_factory=dict)  # docstrings: "train.inner" -> text
    readers: list[str] = field(default_factory=list)  # decorators and bases that are imported: they see docstrings
    early: list[str] = field(default_factory=list)  # names that are read while the module is imported
    calls: bool = False  # something is called while the module is imported
    effect: list[str] = field(default_factory=_always)  # conditions under which importing only binds names
    plain: list[str] = field(default_factory=_always)  # ... under which it is "plain", and so on
    data: list[str] = field(default_factory=_always)
    called: list[str] = field(default_factory=_always)
    twice: list[str] = field(default_factory=_always)
    extended: list[str] = field(default_factory=_always)
    uses: Uses = field(default_factory=Uses)


@dataclass(slots=True)
class Sheet:
    """A file that was read."""

    sha: str  # sha256 of the bytes
    docs: str = ""  # the docstring
    statements: list[Statement] = field(default_factory=list)
    script: list[Statement] = field(default_factory=list)  # what runs only when the file is started as a program
    definitions: dict[str, list[int]] = field(default_factory=dict)  # name -> statements that bind it
    imported: dict[str, list[tuple[int, str]]] = field(
        default_factory=dict
    )  # name -> (statement, binding), plain imports
    bindings: dict[str, list[str]] = field(default_factory=dict)  # name -> all that imports bind it to
    events: list[tuple[int, str]] = field(
        default_factory=list
    )  # in order: (statement, module it imports, or "" for itself)
    stars: list[str] = field(default_factory=list)  # modules of `from x import *`


Bindings = Mapping[str, Sequence[str]]
_FIELDS = tuple(Statement.__dataclass_fields__)[:-1]


def to_plain(sheet: Sheet) -> Sequence[Any]:
    """Return the sheet as lists, texts and numbers."""
    rows = [list(map(_row, sheet.statements)), list(map(_row, sheet.script))]
    return [*rows, *(getattr(sheet, name) for name in Sheet.__slots__ if name not in ("statements", "script"))]


def from_plain(plain: Sequence[Any]) -> Sheet:
    """Return the sheet that `to_plain` was given."""
    statements, script, sha, docs, *rest = plain
    return Sheet(sha, docs, list(map(_statement, statements)), list(map(_statement, script)), *rest)


def _row(one: Statement) -> list[Any]:
    return [*(getattr(one, name) for name in _FIELDS), *(getattr(one.uses, name) for name in Uses.__slots__)]


def _statement(row: Sequence[Any]) -> Statement:
    size = len(_FIELDS)
    return Statement(*row[:size], uses=Uses(*row[size:]))


def split_binding(binding: str) -> tuple[str, tuple[str, ...]]:
    """Return the module, and the name in it that is imported; () when the module itself is."""
    module, colon, name = binding.partition(":")
    return module, (name,) if colon else ()


def dotted(binding: str) -> str:
    """Return the full name of what an import binds."""
    return binding.replace(":", ".")


def import_line(name: str, binding: str) -> str:
    """Return the import that binds a name."""
    module, inside = split_binding(binding)
    alias = "" if name == (inside[0] if inside else module) else f" as {name}"
    return f"from {module} import {inside[0]}{alias}" if inside else f"import {module}{alias}"
