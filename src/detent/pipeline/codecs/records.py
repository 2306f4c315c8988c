"""Values with named fields (dataclass, NamedTuple, msgspec.Struct, pydantic model): taken apart and put together."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from detent.pipeline.codecs.misfit import Unfit

# What pydantic keeps beside the fields; its own names, so no field can have them.
_SET, _EXTRA, _PRIVATE = "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"


@functools.lru_cache(maxsize=1024)
def is_record(kind: type) -> bool:
    """True for a class whose values are stored field by field. Told by names, so that no library is imported."""
    return (
        dataclasses.is_dataclass(kind)
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
        or is_model(kind)
        or any(base.__module__ == "msgspec" and base.__name__ == "Struct" for base in kind.__mro__[1:])
    )


@functools.lru_cache(maxsize=1024)
def is_model(kind: type) -> bool:
    """True for a pydantic model, which checks its fields itself."""
    return any(base.__module__ == "pydantic.main" and base.__name__ == "BaseModel" for base in kind.__mro__[1:])


def take_apart(value: Any) -> dict[str, Any]:
    """Return the fields of a record by name.

    Raises:
        Unfit: it carries something besides its fields, which would be lost.
    """
    kind = type(value)
    if is_model(kind):
        return _model_fields(value)
    if issubclass(kind, tuple):
        return dict(zip(kind._fields, value, strict=True))  # pyright: ignore[reportAttributeAccessIssue]
    if not dataclasses.is_dataclass(kind):
        return {name: getattr(value, name) for name in kind.__struct_fields__}
    fields = {name: getattr(value, name) for name in _names(kind)}
    if not hasattr(kind, "__post_init__"):  # which may derive more from the fields, and will again
        loose = [name for name in getattr(value, "__dict__", {}) if name not in fields and not _is_derived(kind, name)]
        if loose:
            raise Unfit(value, f"its attribute `{loose[0]}` is no field", f"declare `{loose[0]}` as a field")
    return fields


def put_together(kind: type, fields: dict[str, Any]) -> Any:
    """Return a record made by its class's own constructor.

    Raises:
        Exception: whatever that raises.
    """
    if is_model(kind):
        return _model(kind, fields)
    if issubclass(kind, tuple) or not dataclasses.is_dataclass(kind):
        return kind(**fields)
    return kind(**{name: fields[name] for name in _arguments(kind)})


@functools.lru_cache(maxsize=1024)
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.lru_cache(maxsize=1024)
def _arguments(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.init)


def _is_derived(kind: type, name: str) -> bool:
    return name == "__orig_class__" or isinstance(getattr(kind, name, None), functools.cached_property)


def _model_fields(value: Any) -> dict[str, Any]:
    state = value.__getstate__()
    fields = {name: state["__dict__"][name] for name in type(value).model_fields}
    # Sorted: a set has no order. Which fields were given is part of the value: `exclude_unset` depends on it.
    return fields | {_SET: sorted(state[_SET]), _EXTRA: state[_EXTRA], _PRIVATE: state[_PRIVATE]}


def _model(kind: Any, fields: dict[str, Any]) -> Any:
    # As copy and pickle do it: the values were checked when the model was made, and checking may change them.
    model = kind.__new__(kind)
    beside = {name: fields[name] for name in (_EXTRA, _PRIVATE)}
    plain = {name: fields[name] for name in kind.model_fields}
    model.__setstate__({"__dict__": plain, _SET: set(fields[_SET]), **beside})
    return model
