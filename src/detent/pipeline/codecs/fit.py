"""Is a value of the declared type? The whole value is checked, not a sample: see `form.py` for what is inside it."""

from __future__ import annotations

import typing
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Literal, get_args, get_origin

from detent.pipeline.codecs.annotations import alternatives, peel
from detent.pipeline.codecs.misfit import Misfit

_NUMBERS_OF_NUMPY = {"bool", "bool_", "integer", "floating", "complexfloating"}


def fit(value: Any, hint: Any) -> Any:
    """Return the value if its class is the one that a peeled annotation declares; what it holds is not looked at.

    Strict where a mix-up hides: a bool is no int, a datetime is no date, 1 is no Literal[True]. An int where a float is
    declared becomes that float, so that equal annotations give equal digests. NumPy's numbers become Python's.

    Raises:
        Misfit: it is of another class.
    """
    given, value = value, plain_number(value)
    origin = hint if isinstance(hint, type) else get_origin(hint) or hint
    if choices := alternatives(hint):
        return _fit_any(value, choices, hint)
    if origin is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in get_args(hint)):
            raise Misfit(value, hint)
        return value
    if origin in _NUMBERS:
        return _NUMBERS[origin](value)
    if origin is Any or origin is object or not isinstance(origin, type):
        return value  # also what only a type checker can judge
    if typing.is_typeddict(origin):
        origin = dict
    if not _is_a(given, origin) or (origin is date and isinstance(value, datetime)):
        raise Misfit(value, hint)
    _check_array(value, hint)
    return value


def _fit_any(value: Any, choices: tuple[Any, ...], hint: Any) -> Any:
    for choice in by_class(value, choices):
        try:
            return fit(value, peel(choice)[0])
        except Misfit:
            continue
    raise Misfit(value, hint)


def by_class(value: object, choices: tuple[Any, ...]) -> list[Any]:
    """Return the members of a union, those of the value's own class first: `float | int` leaves an int alone."""

    def is_other(choice: Any) -> bool:
        bare, _ = peel(choice)
        return (get_origin(bare) or bare) is not type(value)

    return sorted(choices, key=is_other)


def _is_a(value: object, origin: type) -> bool:
    if origin.__module__.startswith("pandera."):  # DataFrame[Schema] is a frame; its rules are the contract's affair
        bases = [base for base in origin.__mro__ if base.__module__.partition(".")[0] in ("polars", "pandas")]
        origin = bases[0] if bases else origin
    try:
        return isinstance(value, origin)
    except TypeError:
        return True  # a protocol that can't be checked


def _check_array(value: Any, hint: Any) -> None:
    """Compare the dtype of `NDArray[float64]`, which is spelt ndarray[shape, dtype[float64]]."""
    said = get_args(hint)
    if len(said) != 2 or (get_origin(hint) or hint).__module__ != "numpy":
        return
    (scalar,) = get_args(said[1]) or (Any,)
    if isinstance(scalar, type) and scalar is not Any and scalar not in value.dtype.type.__mro__:
        raise Misfit(value, hint, f"its dtype is {value.dtype}")


def plain_number(value: Any) -> Any:
    """Return a number or text of NumPy as Python's own that equals it; anything else as it is."""
    kind = type(value)
    if kind.__module__ != "numpy":
        return value
    names = {base.__name__ for base in kind.__mro__}
    if names & _NUMBERS_OF_NUMPY and "timedelta64" not in names:
        plain = value.item()
        return plain if type(plain) in (bool, int, float, complex) else value  # a longdouble stays one
    return str(value) if "str_" in names else bytes(value) if "bytes_" in names else value


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise Misfit(value, bool)
    return value


def _int(value: Any) -> int:
    if type(value) is bool or not isinstance(value, int):
        raise Misfit(value, int)
    return value


def _float(value: Any) -> float:
    if isinstance(value, float):
        return value
    if type(value) is not int:
        raise Misfit(value, float)
    if value.bit_length() >= 1024 or float(value) != value:
        raise Misfit(value, float, "it is too large for a float to hold it exactly")
    return float(value)


def _complex(value: Any) -> complex:
    if type(value) is complex:
        return value
    return complex(_float(value))


_NUMBERS: dict[Any, Callable[[Any], Any]] = {bool: _bool, int: _int, float: _float, complex: _complex}
