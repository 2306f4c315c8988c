"""Kolmogorov-Smirnov: the largest gap between two cumulative distributions of a number."""

from __future__ import annotations

from detent.monitor.protocol import Reading, Sample
from detent.statistics.distances import ks_from_counts
from detent.statistics.layout import Axis


class Ks:
    """KS from counts. It sees any change of a distribution, a shift less well than the rank sum does."""

    name = "ks"
    kinds: tuple[str, ...] = ("number", "integer")

    def compare(self, axis: Axis, reference: Sample, current: Sample) -> Reading:  # noqa: ARG002  (same for all)
        """Return the gap (0..1) as value."""
        found = ks_from_counts(reference.bins, current.bins)
        return Reading(statistic=self.name, value=found.statistic, p_value=found.p_value)
