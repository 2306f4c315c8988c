"""What must hold before anything can be measured: enough rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detent.errors import Place
from detent.gate.wording import count
from detent.records.check import Check
from detent.statistics.metrics import BINARY, CLASSES, UndefinedMetricError

MIN_ROWS = 100  # with fewer, every interval is too wide to say anything
MIN_CLASS = 10  # rows of the rarer class: below, resamples often miss it altogether


def require_rows(y: NDArray[np.float64], task: str) -> None:
    """Refuse to conclude anything from too few rows.

    Raises:
        UndefinedMetricError: no rows, fewer than 100, one class only, or fewer than 10 rows of the rarer class; of
            several classes, fewer than two that have 10 rows.
    """
    if len(y) < MIN_ROWS:
        seen = f"there are only {count(len(y), 'evaluation row')}" if len(y) else "there are no evaluation rows"
        raise _too_few(seen, f"the gate concludes nothing from fewer than {MIN_ROWS}")
    if task == CLASSES:
        _require_two(y)
    if task != BINARY:
        return
    if y.min() == y.max():
        raise _too_few(f"all {len(y):,} labels are {y[0]:g}", "nothing can be said about telling two classes apart")
    rarer = int(min(np.count_nonzero(y == y.min()), np.count_nonzero(y == y.max())))
    if rarer < MIN_CLASS:
        raise _too_few(
            f"only {rarer} of {len(y):,} labels belong to the rarer class",
            f"the gate concludes nothing from fewer than {MIN_CLASS}",
        )


def _require_two(y: NDArray[np.float64]) -> None:
    sizes = np.unique(y, return_counts=True)[1]
    if np.count_nonzero(sizes >= MIN_CLASS) < 2:
        raise _too_few(
            f"of {len(sizes)} classes among {len(y):,} labels, fewer than two have {MIN_CLASS} rows",
            "nothing can be said about telling classes apart",
        )


def place(check: Check) -> Place:
    """Return where a check stands."""
    return Place(file="detent.yaml", line=check.line or None, field="gate")


def _too_few(what: str, why: str) -> UndefinedMetricError:
    return UndefinedMetricError(what=what, why=why, fix="evaluate on more rows, such as a longer period")
