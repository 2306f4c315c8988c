"""What an annotation says, read with `typing` alone: looking at one imports no library."""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ForwardRef, NewType, TypeAlias, TypeVar, Union, get_args, get_origin

PICKLED = "detent.pickled"  # marks an annotation; a text, so that reloaded modules agree on it
T = TypeVar("T")

# A value that may be stored as a pickle: `-> Pickled[LGBMClassifier]`. Loading a pickle runs whatever code it holds, so
# both sides say it: the step that returns one, and each parameter that takes one. To type checkers it is just the T.
Pickled: TypeAlias = Annotated[T, PICKLED]

_SILENT = ("builtins", "typing", "collections", "pathlib", "datetime", "decimal")  # modules that nobody spells out
_QUALIFIERS = (typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)


def peel(hint: Any) -> tuple[Any, bool]:
    """Return the annotation without wrappers (Annotated, NewType, Final ...), and whether it asks for a pickle.

    A name that could not be resolved says nothing, so it becomes Any; a type variable becomes its bound.
    """
    pickled = False
    while not isinstance(hint, type):  # also Any; `list[int]` is none
        origin = get_origin(hint)
        if origin is Annotated:
            pickled = pickled or any(isinstance(mark, str) and mark == PICKLED for mark in hint.__metadata__)
            hint = hint.__origin__
        elif origin in _QUALIFIERS:
            hint = get_args(hint)[0]
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif isinstance(hint, TypeVar):
            hint = hint.__bound__ or functools.reduce(operator.or_, hint.__constraints__ or (Any,))
        elif type(hint).__name__ == "TypeAliasType":  # `type Name = ...` of Python 3.12
            hint = hint.__value__
        elif hint is None:
            hint = types.NoneType
        else:
            return (Any if isinstance(hint, str | ForwardRef) else hint), pickled
    return hint, pickled


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the members of a peeled union; () for any other annotation."""
    return () if isinstance(hint, type) else get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()


def item_hint(hint: Any) -> Any:
    """Return what a list's annotation says about its items (Any when nothing); a union speaks for its list."""
    hint, _ = peel(hint)
    for choice in alternatives(hint):
        if isinstance(get_origin(peel(choice)[0]), type):
            return item_hint(choice)
    origin, said = get_origin(hint), get_args(hint)
    return said[0] if len(said) == 1 and isinstance(origin, type) and issubclass(origin, Iterable) else Any


def entry_hints(hint: Any) -> tuple[Any, Any]:
    """Return what a dict's annotation says about its keys and its values."""
    origin, said = get_origin(hint), get_args(hint)
    if len(said) == 2 and isinstance(origin, type) and issubclass(origin, Mapping):
        return said
    return Any, Any


def tuple_hints(hint: Any, length: int) -> tuple[Any, ...] | None:
    """Return what a tuple's annotation says about each of its items; None when it wants another number of them."""
    said = get_args(hint)
    if get_origin(hint) is not tuple:
        return (item_hint(hint),) * length
    if len(said) == 2 and said[1] is Ellipsis:
        return (said[0],) * length
    return said if len(said) == length else None


def asks_for_pickle(hint: Any, seen: frozenset[type] = frozenset()) -> bool:
    """True when `Pickled` stands anywhere in an annotation: in its arguments, or at a field of a class it names."""
    bare, pickled = peel(hint)
    if pickled or any(asks_for_pickle(part, seen) for part in get_args(bare)):
        return True
    kind = get_origin(bare) or bare
    if not isinstance(kind, type) or kind in seen or kind.__module__ in ("builtins", "typing"):
        return False
    return any(asks_for_pickle(field, seen | {kind}) for field in hints_of(kind).values())


@functools.lru_cache(maxsize=512)
def hints_of(thing: Any) -> Mapping[str, Any]:
    """Return the annotations of a function or class, `Annotated` kept; those that can't be resolved here are left out.

    Such names exist for type checkers only (`if TYPE_CHECKING:`): then the value alone decides how it is stored.
    """
    found: dict[str, Any] = {}
    for owner in reversed(thing.__mro__) if isinstance(thing, type) else (thing,):
        scope = getattr(owner, "__globals__", None) or vars(sys.modules.get(owner.__module__, typing))
        for name, annotation in inspect.get_annotations(owner).items():
            holder = types.SimpleNamespace(__annotations__={name: annotation})
            found.pop(name, None)
            with contextlib.suppress(NameError, AttributeError, TypeError, SyntaxError):
                found |= typing.get_type_hints(holder, scope, include_extras=True)
    return found


def show(hint: Any) -> str:
    """Return an annotation as a user would write it: `polars.DataFrame`, `list[int]`, `int | None`."""
    bare, pickled = peel(hint)
    if pickled:
        return f"Pickled[{show(bare)}]"
    if choices := alternatives(bare):
        return " | ".join(show(choice) for choice in choices)
    said = get_args(bare)
    if said and isinstance(get_origin(bare), type):
        return f"{show(get_origin(bare))}[{', '.join('...' if part is Ellipsis else show(part) for part in said)}]"
    if isinstance(bare, type):
        top = bare.__module__.partition(".")[0]
        return "None" if bare is types.NoneType else bare.__name__ if top in _SILENT else f"{top}.{bare.__name__}"
    return str(bare).replace("typing.", "")
