"""Chi-square homogeneity: do two samples share one distribution over levels?"""

from __future__ import annotations

from math import sqrt

from detent.monitor.protocol import Reading
from detent.records.profile import ColumnProfile
from detent.statistics.distances import chi2_homogeneity


class Chi2:
    """Two-sample chi-square over levels, rare ones pooled; a sample is never taken for the exact truth."""

    name = "chi2"
    kinds: tuple[str, ...] = ("string", "boolean")

    def compare(self, reference: ColumnProfile, current: ColumnProfile) -> Reading:
        """Return chi-square as value and `sqrt(chi2 / rows)` (phi, about Cramér's V for two samples) as effect."""
        found = chi2_homogeneity(reference.counts, current.counts)
        rows = sum(reference.counts) + sum(current.counts)
        return Reading(
            statistic=self.name,
            value=found.statistic,
            p_value=found.p_value,
            effect=sqrt(found.statistic / max(1, rows)),
            threshold=None,
        )
