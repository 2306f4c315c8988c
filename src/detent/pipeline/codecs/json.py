"""Plain values, and dataclasses of them, as canonical JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import msgspec

from detent.errors import DataError
from detent.pipeline.artifacts import JSON, Artifact
from detent.pipeline.codecs.classes import find_class, name_class
from detent.store.blobs import Blobs
from detent.store.canonical import canonical


def dump(value: object, blobs: Blobs) -> Artifact:
    """Store None, numbers, texts, lists, dicts with text keys, and dataclasses of these.

    A value that JSON would change without a word (a tuple would come back as a list, a key 1 as "1") is refused.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        try:
            plain = msgspec.to_builtins(value)
            same = msgspec.convert(plain, kind) == value
        except (msgspec.ValidationError, TypeError) as error:
            raise _refused(value, f"a field of {kind.__name__} has no form in JSON: {error}") from error
        if not same:
            raise _refused(value, f"a {kind.__name__} read back from JSON would differ from the one that was returned")
        return Artifact(digest=blobs.put(_bytes(plain)), kind=JSON, type=name_class(kind))
    item = getattr(value, "item", None)
    if callable(item) and type(value).__module__ == "numpy":  # a NumPy number
        value = item()
    _check(value)
    return Artifact(digest=blobs.put(_bytes(value)), kind=JSON)


def load(artifact: Artifact, blobs: Blobs) -> Any:
    """Return the value."""
    value = json.loads(blobs.get(artifact.digest))
    return msgspec.convert(value, find_class(artifact.type)) if artifact.type else value


def _bytes(value: object) -> bytes:
    try:
        return canonical(value)
    except ValueError as error:
        raise _refused(value, "JSON has no NaN and no infinity") from error


def _check(value: object) -> None:
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise _refused(value, f"the key {key!r} would come back as a text")
            _check(item)
    elif type(value) is list:
        for item in value:
            _check(item)
    elif type(value) is float and not math.isfinite(value):
        raise _refused(value, "JSON has no NaN and no infinity")
    elif type(value) not in (type(None), bool, int, float, str):
        raise _refused(value, f"a {type(value).__qualname__} has no form in JSON that comes back as it was")


def _refused(value: object, why: str) -> DataError:
    return DataError(
        what=f"a {type(value).__qualname__} can't be stored as an output of a step",
        why=why,
        fix="return plain values (numbers, texts, lists, dicts with text keys), a dataclass of them, a Polars frame, a "
        "NumPy array, or an object with save(folder) and a classmethod load(folder); put several into a NamedTuple",
    )
