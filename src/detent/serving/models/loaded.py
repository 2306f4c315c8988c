"""A version that this process holds ready to answer."""

from __future__ import annotations

from dataclasses import dataclass

from detent.bundle.protocol import Predictor
from detent.serving.rows.validate import RowReader
from detent.statistics.layout import Layout

INLINE_SECONDS = 0.001  # a version whose single row takes longer runs in a thread


@dataclass(frozen=True, slots=True)
class Pace:
    """What a call of a version costs in this process."""

    curve: tuple[tuple[int, float], ...]  # (rows, seconds of a call), ascending
    rows: int  # most rows of one call

    @property
    def inline(self) -> bool:
        """True when calls are so short that handing them to a thread would cost more than it saves."""
        return self.curve[0][1] < INLINE_SECONDS

    @property
    def per_row(self) -> float:
        """Seconds that a row costs in a full batch; what waits in front is so many times that long."""
        return next(seconds / rows for rows, seconds in self.curve if rows == self.rows)

    def seconds(self, rows: int) -> float:
        """Seconds of a call with so many rows: those of the next larger one that was measured."""
        return next((seconds for size, seconds in self.curve if size >= rows), self.curve[-1][1])


UNMEASURED = Pace(((1, 0.0), (64, 0.0)), 64)


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that was admitted and that gave its golden scores in this process."""

    model: str
    number: int
    predictor: Predictor
    reader: RowReader
    probability: bool  # scores must lie in 0..1
    pace: Pace = UNMEASURED
    classes: tuple[str, ...] = ()  # it gives a probability for each of them; () when it gives one score
    layout: Layout | None = None  # over which its inputs and scores are counted; None: they are not
