"""What a step call gives inside a pipeline's body: a promise of its output, which can only be handed on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

from detent.errors import Place, ProjectError, did_you_mean

_HERE = str(Path(__file__).parent)


class Ref:
    """The output of a step (or an input of the pipeline) before it exists. It is no value: hand it on to a step.

    `fields` are the names of the outputs of a step that returns a NamedTuple or a dataclass; each is an attribute.
    """

    __slots__ = ("_fields", "_output", "_record", "_source")

    def __init__(self, source: str, output: str, fields: tuple[str, ...] = (), record: str = "") -> None:
        self._source = source  # name of the step or input
        self._output = output  # name of the output; "" for an input or for the whole record
        self._fields = fields  # outputs of a record; () for everything else
        self._record = record  # "module:class" of a record; "" for everything else

    def __repr__(self) -> str:
        return f"<output of {self._source}{'.' + self._output if self._output else ''}>"

    def __getattr__(self, name: str) -> Ref:
        if name.startswith("__"):  # copy, pickle, inspect ... ask for these; they must see an ordinary absence
            raise AttributeError(name)
        if name in self._fields:
            return Ref(self._source, name)
        if self._fields:
            raise _misuse(self, f"has no output `{name}`", did_you_mean(name, self._fields))
        raise _misuse(
            self,
            f"is asked for `.{name}`, and it does not exist yet",
            f"do that inside a step, or let `{self._source}` return a NamedTuple or dataclass with a field `{name}`",
        )

    def __bool__(self) -> NoReturn:
        raise _misuse(self, "is used as a condition, and it does not exist yet", "decide inside a step")

    def __iter__(self) -> NoReturn:
        raise _misuse(
            self, "is looped over or unpacked, and it does not exist yet",
            "loop inside a step; to get several outputs return a NamedTuple or dataclass and use its fields",
        )  # fmt: skip

    def __len__(self) -> NoReturn:
        raise _misuse(self, "is asked for its length, and it does not exist yet", "take the length inside a step")

    def _operate(self, *_: object) -> NoReturn:
        raise _misuse(self, "is computed with, and it does not exist yet", "compute inside a step")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _operate
    __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __and__ = __or__ = __invert__ = _operate
    __getitem__ = __call__ = __contains__ = __int__ = __float__ = __format__ = _operate
    __eq__ = __ne__ = _operate  # pyright: ignore[reportAssignmentType]  (an answer would silently be wrong)
    __hash__ = None  # pyright: ignore[reportAssignmentType]


def ref_parts(ref: Ref) -> tuple[str, str, tuple[str, ...], str]:
    """Return (source, output, fields, record) of a Ref."""
    return ref._source, ref._output, ref._fields, ref._record


def caller_place() -> Place | None:
    """Return the line outside this package that led here: the user's."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return None if frame is None else Place(file=frame.f_code.co_filename, line=frame.f_lineno)


def _misuse(ref: Ref, problem: str, fix: str) -> ProjectError:
    return ProjectError(
        what=f"the output of `{ref._source}` {problem}",
        why="a pipeline's body only wires steps; they run later, in other processes",
        fix=fix,
        where=caller_place(),
    )
