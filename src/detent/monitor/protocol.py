"""The plug-in points of the monitor: detectors compare two samples of a column, channels carry alerts to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detent.errors import DetentError
from detent.records.alert import Alert
from detent.statistics.layout import Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How the rows of one column fall into its cells.

    Counts may be fractions: rows that resemble their neighbours in time are worth less than their number.
    """

    bins: NDArray[np.float64]  # rows per bin or level; of levels, the last is all known ones without a cell
    missing: float = 0.0  # null, NaN and infinities
    novel: float = 0.0  # levels never seen at training

    @property
    def rows(self) -> float:
        """All rows."""
        return float(self.bins.sum()) + self.missing + self.novel


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one detector says about one column."""

    statistic: str  # the detector's name: ks, ranks, chi2, nulls, novel
    value: float  # the statistic as computed
    p_value: float  # chance of a value at least as large when nothing changed; never rounded


class Detector(Protocol):
    """Tests whether a column of a window has the law of the same column of the reference.

    Detectors are pure and keep no state, so any thread may call them. Both samples lie over the same cells. A column
    without values on either side is a defined answer (p-value 1), never an error. The same sample twice is no drift.
    How large a change is, and whether it matters, is not theirs to say: see `drift/effects.py`.
    """

    name: str
    kinds: tuple[str, ...]  # kinds of column that it understands: number, integer, string, boolean

    def compare(self, axis: Axis, reference: Sample, current: Sample) -> Reading:
        """Return the reading of one column."""
        ...


class ChannelError(DetentError):
    """A notification could not be delivered. The loop goes on; the alert stays in the outbox."""

    code = "channel"
    after: float | None = None  # seconds for which the other side asks to be left alone


class Channel(Protocol):
    """Carries an alert to people.

    `send` tries once, and returns when the other side has taken the alert; the outbox tries again. It may be called
    again for the same alert: receivers tell repeats by the idempotency key. It should come back within seconds; one
    that does not is left alone for a while, and called again from another thread.
    """

    def send(self, alert: Alert) -> None:
        """Deliver an alert.

        Raises:
            ChannelError: it was not delivered, and may be tried again.
        """
        ...
