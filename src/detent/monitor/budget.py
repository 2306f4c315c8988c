"""How sure each look must be so that chance alarms no oftener than the project allows. Pure.

Looks are many: columns, windows, windows taken together. The expected number of false alarms is the sum of the chances
of each look, however the looks depend on each other; so the budget of a month, divided by the looks of a month, is kept
although all windows share one reference and the scales share rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

MONTH = timedelta(days=30)
INPUTS, PREDICTION, QUALITY = 0.5, 0.2, 0.3  # shares of the budget
# A look that may be wrong oftener than this says nothing, however generous the budget.
LEAST_SURE = 0.05
_DAYS, _OTHER = (1, 7, 28), (1, 4, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The chance of a false alarm that each look at a window may take."""

    scales: tuple[int, ...]  # windows that are looked at together, ascending; the first is 1
    inputs: float  # at all inputs together, per window and scale
    prediction: float  # at the scores, per window and scale
    quality: float  # at the labelled quality, per window


def shares(false_alarms: float, window: timedelta, scales: Sequence[int] = ()) -> Budget:
    """Divide a budget of false alarms per 30 days over what is looked at.

    Half is for the inputs, a fifth for the scores and three tenths for the quality.

    Args:
        false_alarms: windows with an alarm that chance may cause in 30 days, on average.
        window: length of a window.
        scales: windows that are looked at together; () chooses by `scales_of`.

    Raises:
        ValueError: the budget or the window is not above 0.
    """
    if false_alarms <= 0 or window <= timedelta(0):
        raise ValueError("a budget and a window are above 0")
    chosen = tuple(sorted(set(scales) | {1})) if scales else scales_of(window)
    looks = MONTH / window
    each = false_alarms / (looks * len(chosen))
    return Budget(
        scales=chosen,
        inputs=min(LEAST_SURE, INPUTS * each),
        prediction=min(LEAST_SURE, PREDICTION * each),
        quality=min(LEAST_SURE, QUALITY * false_alarms / looks),
    )


def scales_of(window: timedelta) -> tuple[int, ...]:
    """Return 1, 7 and 28 for windows of a day, so that weeks are compared as wholes; else 1, 4 and 16."""
    return _DAYS if window == timedelta(days=1) else _OTHER
