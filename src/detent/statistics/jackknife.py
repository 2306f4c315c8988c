"""How much an estimate varies, from what it is without each part of the rows."""

from __future__ import annotations

from detent.statistics.axes import Floats


def jackknife(values: Floats) -> float:
    """Return the variance of an estimate from those without each part (Shao and Tu 1995, 2.3); 0 without parts."""
    return float((len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()) if len(values) else 0.0
