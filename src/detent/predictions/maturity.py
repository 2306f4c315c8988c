"""How long labels take, learned from those that came and those that did not yet; and when a window may be judged.

Rows without a label are censored: nobody knows yet when theirs comes. The share of rows that have one says less and
less the faster traffic grows, because most rows are young; the life table (Kaplan and Meier 1958; in classes of age,
Cutler and Ederer 1958) takes that out. Its counts add up, so every window keeps its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

CLASSES = 96
# Upper ends of the classes of age in seconds: from a minute to two years, each 15 % longer than the one before.
_ENDS = np.geomspace(60.0, 2 * 365 * 86_400.0, CLASSES - 1)
MATURE = 0.8  # share of the labels that ever come from which a window is judged: the first ones may be the easy ones
BEYOND = 3  # times `labels_within` that some rows must have been waited for before "never" is more than "not yet"
LEAST = 100  # labels without which nothing is known of delays
_AT_RISK = 20  # rows without which a class of age says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayCurve:
    """Counts of rows by class of age."""

    arrived: tuple[int, ...] = (0,) * CLASSES  # rows whose label came at this age
    waiting: tuple[int, ...] = (0,) * CLASSES  # rows that are of this age and have none

    @classmethod
    def learn(cls, times: pl.Series, label_times: pl.Series, now: datetime) -> DelayCurve:
        """Count rows by age.

        Args:
            times: when each row was predicted.
            label_times: when its label reached us; null: not yet, or after `now`. A label that came before its
                prediction came at once.
            now: the present moment.
        """
        moment = pl.Series([now], dtype=pl.Datetime("us", "UTC"))
        known = (label_times.is_not_null() & (label_times <= now).fill_null(value=False)).to_numpy()
        until = label_times.fill_null(moment[0])
        ages = np.maximum((until - times).dt.total_microseconds().to_numpy() / 1e6, 0.0)
        ages[~known] = np.maximum((moment[0] - times).dt.total_microseconds().to_numpy() / 1e6, 0.0)[~known]
        return cls(arrived=_counted(ages[known]), waiting=_counted(ages[~known]))

    def __add__(self, other: DelayCurve) -> DelayCurve:
        """Count two windows together."""
        return DelayCurve(
            arrived=tuple(a + b for a, b in zip(self.arrived, other.arrived, strict=True)),
            waiting=tuple(a + b for a, b in zip(self.waiting, other.waiting, strict=True)),
        )

    def aged(self, age: timedelta) -> DelayCurve:
        """Return the counts when no label came meanwhile: all rows that wait are at least of this age now."""
        place = int(np.searchsorted(_ENDS, age.total_seconds(), side="right"))
        younger = sum(self.waiting[:place])
        waiting = (*((0,) * place), self.waiting[place] + younger, *self.waiting[place + 1 :])
        return DelayCurve(arrived=self.arrived, waiting=waiting)

    @property
    def labels(self) -> int:
        """Labels that it has seen."""
        return sum(self.arrived)

    def knows(self, age: timedelta) -> bool:
        """Tell whether enough labels, and enough rows of this age, have been seen."""
        beyond = int(np.searchsorted(_ENDS, age.total_seconds(), side="right"))
        return self.labels >= LEAST and sum(self.arrived[beyond:]) + sum(self.waiting[beyond:]) >= _AT_RISK

    @property
    def ever(self) -> float:
        """Share of rows that get a label at all, as far as the oldest rows tell, 0..1."""
        return float(1.0 - self._missing()[-1])

    def expected(self, ages: pl.Series) -> float:
        """Share of the labels that ever come which rows of these ages have by now, 0..1; 0 when none ever came.

        Args:
            ages: durations, one per row, at least one.
        """
        missing = self._missing()
        # The classes that have passed as a whole: what a part of the next one would add is not counted.
        passed = np.searchsorted(_ENDS, ages.dt.total_microseconds().to_numpy() / 1e6, side="right")
        ever = 1.0 - missing[-1]
        return float((1.0 - missing[passed]).mean() / ever) if ever > 0.0 else 0.0

    def _missing(self) -> NDArray[np.float64]:
        """Return the share of rows without a label at the beginning of each class, and at the end of the last."""
        arrived, waiting = np.asarray(self.arrived, dtype=np.float64), np.asarray(self.waiting, dtype=np.float64)
        total = arrived + waiting
        at_risk = total[::-1].cumsum()[::-1] - waiting / 2.0  # those that wait leave in the middle of their class
        telling = at_risk >= min(_AT_RISK, total.sum())
        hazard = np.divide(arrived, at_risk, out=np.zeros(CLASSES), where=telling & (at_risk > 0.0))
        return np.concatenate([[1.0], np.cumprod(1.0 - np.minimum(hazard, 1.0))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """Whether the labels of some rows are enough to judge them."""

    mature: bool
    coverage: float  # share of the rows with a label, 0..1
    due: float  # share of the rows that should have one by now, 0..1
    ever: float  # share of the rows that will ever have one, 0..1


def mature(*, coverage: float, ages: pl.Series, curve: DelayCurve, labels_within: timedelta) -> Maturity:
    """Judge the labels of a window.

    It is mature when 80 % of the labels that ever come are in, and at its age they should be. As long as nothing is
    known of delays, all rows are taken to have their label within `labels_within`; that some never get one is believed
    only when rows were waited for three times as long.

    Args:
        coverage: share of its rows with a label.
        ages: of its rows: durations, at least one.
        curve: what is known of delays.
        labels_within: what the project says of delays.
    """
    if curve.knows(BEYOND * labels_within):
        ever, expected = curve.ever, curve.expected(ages)
    else:
        ever, expected = 1.0, float((ages >= labels_within).mean() or 0.0)  # pyright: ignore[reportArgumentType]
    return Maturity(
        mature=expected >= MATURE and coverage >= MATURE * ever and ever > 0.0,
        coverage=coverage,
        due=ever * expected,
        ever=ever,
    )


def _counted(ages: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(np.bincount(np.searchsorted(_ENDS, ages, side="right"), minlength=CLASSES).tolist())
