"""Kolmogorov-Smirnov: the largest gap between two cumulative distributions of a number."""

from __future__ import annotations

from detent.monitor.protocol import Reading
from detent.records.profile import ColumnProfile
from detent.statistics.distances import ks_from_counts


class Ks:
    """KS from bin counts. It finds shifts that PSI spreads over many bins.

    It says whether, and leaves how much to PSI.
    """

    name = "ks"
    kinds: tuple[str, ...] = ("number", "integer")

    def compare(self, reference: ColumnProfile, current: ColumnProfile) -> Reading:
        """Return the gap as value and effect (0..1)."""
        found = ks_from_counts(reference.counts, current.counts)
        return Reading(
            statistic=self.name, value=found.statistic, p_value=found.p_value, effect=found.statistic, threshold=None
        )
