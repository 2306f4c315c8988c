"""What every kind of place that labels are fetched from can do, and how it fails."""

from __future__ import annotations

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
