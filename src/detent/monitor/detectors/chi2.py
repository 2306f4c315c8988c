"""Chi-square homogeneity: do two samples share one distribution over levels?"""

from __future__ import annotations

from detent.monitor.protocol import Reading, Sample
from detent.statistics.distances import chi2_homogeneity
from detent.statistics.layout import Axis
from detent.statistics.levels import comparable


class Chi2:
    """Two-sample chi-square over levels, rare ones pooled; a sample is never taken for the exact truth."""

    name = "chi2"
    kinds: tuple[str, ...] = ("string", "boolean")

    def compare(self, axis: Axis, reference: Sample, current: Sample) -> Reading:
        """Return chi-square as value."""
        found = chi2_homogeneity(*comparable(axis, reference.bins, current.bins, new=(reference.novel, current.novel)))
        return Reading(statistic=self.name, value=found.statistic, p_value=found.p_value)
