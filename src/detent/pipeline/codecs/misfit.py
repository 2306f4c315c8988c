"""Why a value can't be stored: raised deep inside it, told as one error that says where."""

from __future__ import annotations

from typing import Any

from detent.errors import DataError, TamperedError
from detent.pipeline.artifacts import Artifact
from detent.pipeline.codecs.annotations import show

_PLAIN_FIX = (
    "return plain values (numbers, texts, dates, lists, dicts), a dataclass, NamedTuple, msgspec.Struct or pydantic "
    "model of them, a frame, a NumPy array, a Path, or an object with save(folder) and a classmethod load(folder); "
    "or annotate the step `-> Pickled[...]`, and the parameters that take it, to have it pickled"
)


class Unfit(Exception):
    """A part of a value can't be stored. The place grows while the exception climbs."""

    def __init__(self, value: object, why: str, fix: str = _PLAIN_FIX) -> None:
        super().__init__(why)
        self.value = value
        self.why = why
        self.fix = fix
        self.place = ""

    def inside(self, step: str) -> Unfit:
        """Note one step of the way down to the part, such as `[3]` or `.score`."""
        self.place = step + self.place
        return self

    @property
    def found(self) -> str:
        """Say what was found, and where."""
        kind = show(type(self.value))
        return f"the step's output holds a {kind} at `{self.place}`" if self.place else f"the step returned a {kind}"

    def error(self) -> DataError:
        """Return what the user sees."""
        return DataError(what=f"{self.found}, which can't be stored", why=self.why, fix=self.fix)


class Misfit(Unfit):
    """A part of a value is not of the declared type."""

    def __init__(self, value: object, hint: Any, why: str = "") -> None:
        super().__init__(value, why)
        self.hint = hint

    def error(self) -> DataError:
        """Return what the user sees."""
        declared = show(self.hint)
        return DataError(
            what=f"{self.found}, and its annotation declares {declared}",
            why=self.why or "steps behind it are checked against the annotation, and would get something else",
            fix=f"return a {declared} there, or change the annotation to what is returned",
        )


def unreadable(artifact: Artifact, error: BaseException) -> TamperedError:
    """Return the error for stored bytes that are intact and yet not what their description says."""
    return TamperedError(
        what=f"stored value {artifact.digest[:12]} can't be read as {artifact.kind}",
        why=f"{type(error).__name__}: {str(error)[:300]}",
        fix="run the step again that made it (`detent run --force`)",
    )
