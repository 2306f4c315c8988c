"""Classes of values that the tests of codecs store: other processes must be able to import them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic

from detent.pipeline.codecs.annotations import Pickled

T = TypeVar("T")


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True)
class Mark(Point):
    label: str = ""
    children: tuple[Point, ...] = ()


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Rights(Flag):
    READ = 1
    WRITE = 2


class Fold(NamedTuple):
    train: pl.DataFrame
    rows: np.ndarray[Any, Any]
    name: str


class Span(NamedTuple):
    first: date
    last: date


class Price(msgspec.Struct, frozen=True):
    amount: Decimal
    at: datetime
    tags: frozenset[str] = frozenset()


class Customer(pydantic.BaseModel):
    name: str
    age: int = 0
    spans: list[Span] = []
    _seen: int = pydantic.PrivateAttr(default=0)


class Scores(TypedDict):
    auc: float
    notes: NotRequired[list[str]]


@dataclass
class Box(Generic[T]):
    value: T

    @cached_property
    def shown(self) -> str:
        return str(self.value)


@dataclass
class Circle:
    radius: float
    area: float = field(init=False)

    def __post_init__(self) -> None:
        self.area = math.pi * self.radius**2


@dataclass
class Doubling:
    """Keeps another value than the one it is given."""

    value: int

    def __post_init__(self) -> None:
        self.value *= 2


@dataclass
class Trained:
    name: str
    model: Pickled[Any]


@dataclass
class Half:
    """One of its annotations exists for type checkers only."""

    unknown: Gone  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    known: int


class Notes:
    """Saves itself into a folder."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def save(self, folder: Path) -> None:
        for name, text in self.texts.items():
            (folder / name).write_text(text)

    @classmethod
    def load(cls, folder: Path) -> Notes:
        return cls(**{path.name: path.read_text() for path in sorted(folder.iterdir())})


class Memo(Notes):
    """Another class with the same files."""


class Linking(Notes):
    def save(self, folder: Path) -> None:
        (folder / "link").symlink_to("/etc/hostname")


class Shouting:
    """Tells when it is unpickled."""

    heard: ClassVar[list[str]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return (_hear, ("unpickled",))


def _hear(word: str) -> None:
    Shouting.heard.append(word)


def same(one: Any, other: Any) -> bool:
    """Equal, of the same types all the way down; NaN equals NaN, -0.0 is not 0.0, and files are what they hold."""
    if type(one) is not type(other):
        return False
    for kind, agree in _SAME.items():
        if isinstance(one, kind):
            return agree(one, other)
    return one == other


def _fields(value: Any) -> list[Any]:
    return [getattr(value, part.name) for part in dataclasses.fields(value)]


def _same_in_order(ones: Any, others: Any) -> bool:
    return len(ones) == len(others) and all(map(same, ones, others))


def _same_in_any_order(ones: Any, others: Any) -> bool:
    return len(ones) == len(others) and all(any(same(one, other) for other in others) for one in ones)


def _held(path: Path) -> dict[str, str]:
    if path.is_file():
        return {path.name: path.read_text()}
    return {file.relative_to(path).as_posix(): file.read_text() for file in path.rglob("*") if file.is_file()}


_SAME: dict[Any, Callable[[Any, Any], bool]] = {
    (float, complex, Decimal): lambda one, other: repr(one) == repr(other),
    datetime: lambda one, other: (one, one.tzinfo, one.utcoffset()) == (other, other.tzinfo, other.utcoffset()),
    (pl.DataFrame, pd.DataFrame, pa.Table): lambda one, other: one.equals(other),
    np.ndarray: np.array_equal,
    Path: lambda one, other: _held(one) == _held(other),
    Notes: lambda one, other: one.texts == other.texts,
    Mapping: lambda one, other: _same_in_any_order(list(one.items()), list(other.items())),
    (set, frozenset): _same_in_any_order,
    (list, tuple): _same_in_order,
    (Point, Box): lambda one, other: _same_in_order(_fields(one), _fields(other)),
}
