"""The plug-in points of the monitor: detectors compare two column profiles, channels carry alerts to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from detent.errors import DetentError
from detent.records.alert import Alert
from detent.records.profile import ColumnProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one detector says about one column."""

    statistic: str  # the detector's name: psi, ks, chi2, nulls
    value: float  # the statistic as computed
    p_value: float  # chance of a value at least as large when nothing changed
    effect: float  # size of the change, free of the number of rows
    threshold: float | None  # effect from which a change matters; None: the detector says whether, not how much


class Detector(Protocol):
    """Compares a column of a window with the same column of the reference.

    Detectors are pure and keep no state, so any thread may call them. Both profiles have the same bins. A column
    without values on either side is a defined answer (p-value 1, effect 0), never an error. The same profile twice is
    no drift.
    """

    name: str
    kinds: tuple[str, ...]  # kinds of column that it understands: number, integer, string, boolean

    def compare(self, reference: ColumnProfile, current: ColumnProfile) -> Reading:
        """Return the reading of one column."""
        ...


class ChannelError(DetentError):
    """A notification could not be delivered. The loop goes on; the alert stays in the outbox."""

    code = "channel"


class Channel(Protocol):
    """Carries an alert to people.

    `send` returns when the other side has taken the alert and may be called again for the same alert: receivers tell
    repeats by the idempotency key. It is called from one thread at a time and must come back within seconds.
    """

    def send(self, alert: Alert) -> None:
        """Deliver an alert.

        Raises:
            ChannelError: it was not delivered, and may be tried again.
        """
        ...
