"""A value as plain JSON, checked against its annotation on the way; frames, files and models in it are set aside.

What JSON does not have becomes an object with one tag, such as {"$date": "2024-05-01"}, so that every value comes back
as it was whatever the annotation of the step that reads it. Equal values give equal forms: keys and sets are sorted.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag
from types import NoneType
from typing import Any

from detent.errors import DataError
from detent.pipeline.artifacts import PICKLE
from detent.pipeline.codecs.annotations import alternatives, entry_hints, hints_of, item_hint, peel, tuple_hints
from detent.pipeline.codecs.classes import find_class, name_class
from detent.pipeline.codecs.fit import by_class, fit, plain_number
from detent.pipeline.codecs.kinds import advice, blob_kind
from detent.pipeline.codecs.misfit import Misfit, Unfit
from detent.pipeline.codecs.records import is_model, is_record, put_together, take_apart
from detent.pipeline.codecs.scalars import READERS, SCALARS
from detent.store.canonical import canonical

LEAF = "$item"  # {"$item": 3}: the fourth of the values that were set aside
_EASY = {NoneType, bool, int, str}
_PLAIN = _EASY | {float}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that is stored as a blob of its own."""

    value: Any
    kind: str


@dataclass(frozen=True, slots=True)
class Form:
    """A value as plain JSON, and the leaves that it names."""

    plain: Any
    leaves: list[Leaf]
    named: bool  # classes are named in it


def write(value: Any, hint: Any) -> Form:
    """Return the form of a value that must be what `hint` says (Any: whatever it is).

    Raises:
        Unfit, Misfit: a part of it can't be stored, or is not of the declared type.
    """
    try:
        writer = _Writer()
        form = Form(writer.write(value, hint), writer.leaves, writer.named)
        if form.named:
            _check_rebuilt(value, hint, form)
        return form
    except RecursionError:
        why = "it is nested too deeply, or holds itself"
        raise Unfit(value, why, "return it flat, with names in place of loops") from None


def encoded(plain: Any) -> bytes:
    """Return a form as canonical JSON.

    Raises:
        Unfit: a text or a number in it has no place in JSON.
    """
    try:
        return canonical(plain)
    except UnicodeEncodeError as error:
        raise Unfit(error.object, f"it is no Unicode: {error.reason}", "return bytes, or valid text") from error
    except ValueError as error:
        raise Unfit(0, str(error), "return it as a text") from error  # an int of more digits than Python prints


def read(plain: Any, leaf: Callable[[int], Any]) -> Any:
    """Return the value of a form; `leaf` gives the ones that were set aside.

    Raises:
        DataError: a class is gone, or no longer takes the fields it had.
        ValueError, TypeError, KeyError, IndexError: it is no form.
    """
    if type(plain) is list:
        return plain if set(map(type, plain)) <= _PLAIN else [read(item, leaf) for item in plain]
    if type(plain) is not dict:
        return plain
    tag = next(iter(plain), "")
    if len(plain) != 1 or not tag.startswith("$"):
        return {key: read(item, leaf) for key, item in plain.items()}
    body = plain[tag]
    if tag in READERS:
        return READERS[tag](body)
    return leaf(body) if tag == LEAF else _NESTED[tag](body, leaf)


class _Writer:
    """Writes one value; the leaves that it meets gather here."""

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.named = False

    def write(self, value: Any, hint: Any) -> Any:
        kind = type(value)
        if kind in _EASY and (hint is Any or hint is kind):
            return value
        hint, pickled = peel(hint)
        if pickled:
            fit(value, hint)
            return self._leaf(value, PICKLE)
        if choices := alternatives(hint):
            return self._either(value, choices, hint)
        value = fit(value, hint)
        kind = type(value)
        if kind in _EASY or (kind is float and math.isfinite(value)):
            return value
        if kind in _CONTAINERS:
            return _CONTAINERS[kind](self, value, hint)
        if kind in SCALARS:
            return {SCALARS[kind].tag: SCALARS[kind].write(value)}
        return self._named(value, kind)

    def _either(self, value: Any, choices: tuple[Any, ...], hint: Any) -> Any:
        """Write a value as the first member of a union that it fits, its own class before others."""
        value = plain_number(value)
        count, misfit = len(self.leaves), Misfit(value, hint)
        for choice in by_class(value, choices):
            try:
                return self.write(value, choice)
            except Misfit as error:
                del self.leaves[count:]
                misfit = error if len(error.place) > len(misfit.place) else misfit
        raise misfit

    def _leaf(self, value: Any, kind: str) -> dict[str, int]:
        self.leaves.append(Leaf(value, kind))
        return {LEAF: len(self.leaves) - 1}

    def _named(self, value: Any, kind: type) -> Any:
        """Write a value of a class that has to be found again."""
        blob = blob_kind(kind)
        if blob is not None:
            return self._leaf(value, blob)
        self.named = True
        if isinstance(value, Enum):
            return {"$enum": [_name(value), value.value if isinstance(value, Flag) else value.name]}
        if not is_record(kind):
            raise Unfit(value, *(advice(kind) or ("it has no stored form that comes back as it was",)))
        hints = {} if is_model(kind) else hints_of(kind)  # a model's fields may be declared as what they are made from
        fields = take_apart(value)
        names = sorted(fields)
        forms = self._each(map(fields.get, names), [hints.get(name, Any) for name in names], lambda at: f".{names[at]}")
        return {"$record": [_name(value), dict(zip(names, forms, strict=True))]}

    def _each(self, values: Iterable[Any], hints: Iterable[Any], place: Callable[[int], str]) -> list[Any]:
        """Write values one by one; `place` says where the nth is, for errors."""
        forms = []
        try:
            for value, hint in zip(values, hints, strict=True):
                forms.append(self.write(value, hint))
        except Unfit as error:
            error.inside(place(len(forms)))
            raise
        return forms

    def _list(self, value: list[Any], hint: Any) -> Any:
        item = item_hint(hint)
        return value if _is_plain(value, item) else self._each(value, [item] * len(value), "[{}]".format)

    def _tuple(self, value: tuple[Any, ...], hint: Any) -> Any:
        hints = tuple_hints(hint, len(value))
        if hints is None:
            raise Misfit(value, hint, f"it has {len(value)} items")
        return {"$tuple": self._each(value, hints, "[{}]".format)}

    def _set(self, value: Any, hint: Any) -> Any:
        count, item = len(self.leaves), item_hint(hint)
        forms = sorted(self._each(value, [item] * len(value), lambda _: "{...}"), key=encoded)
        if len(self.leaves) > count:
            raise Unfit(self.leaves[-1].value, "it stands in a set, which has no order", "return a list of them")
        return {"$frozenset" if type(value) is frozenset else "$set": forms}

    def _dict(self, value: dict[Any, Any], hint: Any) -> Any:
        key_hint, item_hint = entry_hints(hint)
        is_typed = typing.is_typeddict(hint)
        hints = _typed_dict(value, hint) if is_typed else dict.fromkeys(value, item_hint)
        if all(type(key) is str and not key.startswith("$") for key in value) and key_hint in (str, Any):
            if _is_plain(list(value.values()), item_hint) and not is_typed:
                return value
            names = sorted(value)
            return dict(zip(names, self._entries(value, names, hints), strict=True))
        forms = self._each(value, [key_hint] * len(value), lambda at: f"[{list(value)[at]!r}]")
        if any(type(form) is dict and LEAF in form for form in forms):
            raise Unfit(value, "one of its keys is a frame, file or model", "use plain keys")
        pairs = sorted(zip(forms, value, strict=True), key=lambda pair: encoded(pair[0]))
        items = self._entries(value, [key for _, key in pairs], hints)
        return {"$dict": [[form, item] for (form, _), item in zip(pairs, items, strict=True)]}

    def _entries(self, value: dict[Any, Any], keys: list[Any], hints: Mapping[Any, Any]) -> list[Any]:
        """Write the values of a dict in the order of the keys."""
        return self._each(map(value.get, keys), map(hints.get, keys), lambda at: f"[{keys[at]!r}]")


_CONTAINERS: dict[type, Callable[[_Writer, Any, Any], Any]] = {
    list: _Writer._list,
    tuple: _Writer._tuple,
    set: _Writer._set,
    frozenset: _Writer._set,
    dict: _Writer._dict,
}


def _is_plain(values: list[Any], hint: Any) -> bool:
    """True when all values are JSON as they stand and are what is declared; at the speed of C, however many."""
    kinds = set(map(type, values))
    if not kinds <= _PLAIN or (hint is not Any and any(kind is not hint for kind in kinds)):
        return False
    return float not in kinds or all(map(math.isfinite, (item for item in values if type(item) is float)))


def _typed_dict(value: dict[Any, Any], hint: Any) -> dict[Any, Any]:
    hints = hints_of(hint)
    missing = [name for name in hints if name not in value and _is_required(name, hint)]
    unknown = [key for key in value if key not in hints]
    if missing or unknown:
        why = f"it lacks {missing}" if missing else f"it has {unknown}, which is not declared"
        raise Misfit(value, hint, why)
    return dict(hints)


def _is_required(name: str, hint: Any) -> bool:
    # Python itself does not see NotRequired in annotations that are texts.
    said = typing.get_origin(hints_of(hint)[name])
    return said is typing.Required or (said is not typing.NotRequired and name in hint.__required_keys__)


def _name(value: Any) -> str:
    try:
        return name_class(type(value))
    except DataError as error:
        raise Unfit(value, error.why, error.fix) from None


def _check_rebuilt(value: Any, hint: Any, form: Form) -> None:
    """Refuse a record whose class would make another one from the same fields.

    The constructor is the user's: it may change, drop or refuse what it is given.
    """
    try:
        again = _Writer()
        plain = again.write(read(form.plain, lambda at: form.leaves[at].value), hint)
    except Exception as error:  # whatever the constructor raises
        raise Unfit(value, f"its class can't be made from its fields: {error}", _FIX) from error
    same = [id(leaf.value) for leaf in again.leaves] == [id(leaf.value) for leaf in form.leaves]
    if not same or encoded(plain) != encoded(form.plain):
        raise Unfit(value, "made again from its fields, it would differ", _FIX)


_FIX = "let the class take its fields as it keeps them, and return the same from them"


def _read_record(body: Any, leaf: Callable[[int], Any]) -> Any:
    name, plain = body
    kind = find_class(name)
    if not isinstance(kind, type) or not is_record(kind):
        raise TypeError(f"{name} is no record")
    fields = {key: read(item, leaf) for key, item in plain.items()}
    try:
        return put_together(kind, fields)
    except Exception as error:  # whatever the constructor raises
        raise DataError(
            what=f"a stored {kind.__name__} can't be made again",
            why=f"its class does not take the stored fields: {type(error).__name__}: {error}",
            fix="bring the class back to what it was, or run the step again that makes the value",
        ) from error


def _read_enum(body: Any, _: Callable[[int], Any]) -> Any:
    name, member = body
    kind = find_class(name)
    if not isinstance(kind, type) or not issubclass(kind, Enum):
        raise TypeError(f"{name} is no Enum")
    return kind(member) if issubclass(kind, Flag) else kind[member]


_NESTED: dict[str, Callable[[Any, Callable[[int], Any]], Any]] = {
    "$tuple": lambda body, leaf: tuple(read(item, leaf) for item in body),
    "$set": lambda body, leaf: {read(item, leaf) for item in body},
    "$frozenset": lambda body, leaf: frozenset(read(item, leaf) for item in body),
    "$dict": lambda body, leaf: {read(key, leaf): read(item, leaf) for key, item in body},
    "$record": _read_record,
    "$enum": _read_enum,
}
