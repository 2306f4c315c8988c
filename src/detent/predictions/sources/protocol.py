"""What every kind of place that labels are fetched from can do, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from detent.errors import DetentError
from detent.records.project import LabelSource


class LabelError(DetentError):
    """Labels can't be fetched. Those that are known stay; the next look tries again."""

    code = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a place gave."""

    rows: pl.DataFrame  # with the columns that the source declares, and perhaps more
    version: str  # differs when the place changed in any way other than by new rows; "" when nobody can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A message that is no label, kept so that somebody can look at it."""

    place: str  # "truth[0]@17": topic, partition, offset
    why: str
    message: str  # its beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a stream gave, of one look."""

    frames: tuple[pl.DataFrame, ...]  # with the columns that the source declares, `time` and `place`
    time: str  # column: when each was known
    place: str  # column: where each was read
    aside: tuple[Aside, ...]  # no labels, whatever the task
    waiting: int  # whose truth is not known yet
    left_out: tuple[tuple[str, int], ...]  # (why, messages) of what is not kept
    more: bool  # the stream has more
    settle: Callable[[], None]  # says to the stream that all of this is stored; raises LabelError


class Stream(Protocol):
    """Reads what a stream has that was not settled yet. Called by one thread at a time."""

    def __call__(self, source: LabelSource) -> Batch:
        """Return at most one batch.

        Raises:
            LabelError: it is not there, does not answer or refuses.
        """
        ...


class Fetch(Protocol):
    """Reads one place. Called by one thread at a time."""

    def __call__(self, source: LabelSource, folder: Path, since: datetime | None) -> Fetched:
        """Return its rows; those known at or before `since` may be missing.

        Raises:
            LabelError: it is not there, does not answer or is no table.
        """
        ...


def refused(source: LabelSource, why: str, fix: str) -> LabelError:
    """Build the error of a place that gives no rows."""
    return LabelError(what=f"labels of `{shown(source)}` can't be read", why=why, fix=fix)


def shown(source: LabelSource) -> str:
    """Return a source as it is shown: a query in up to 60 letters."""
    return source.source if len(source.source) <= 60 else f"{source.source[:57]}..."
