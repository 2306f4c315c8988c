"""Missing values: has the share of null, NaN and infinity changed?"""

from __future__ import annotations

from detent.monitor.protocol import Reading, Sample
from detent.statistics.distances import two_proportions
from detent.statistics.layout import Axis


class Nulls:
    """Compares the shares of missing values. Tests of values alone don't see a column that is turned off."""

    name = "nulls"
    kinds: tuple[str, ...] = ("number", "integer", "string", "boolean")

    def compare(self, axis: Axis, reference: Sample, current: Sample) -> Reading:  # noqa: ARG002  (same for all)
        """Return the window's share of missing values as value."""
        counted = round(reference.missing), round(reference.rows), round(current.missing), round(current.rows)
        share = current.missing / current.rows if current.rows else 0.0
        return Reading(statistic=self.name, value=share, p_value=two_proportions(*counted))
