"""Rank sum: are the values of a number larger, or smaller, than they were?"""

from __future__ import annotations

from detent.monitor.protocol import Reading, Sample
from detent.statistics.layout import Axis
from detent.statistics.ranks import rank_sum


class Ranks:
    """Mann and Whitney's test from counts: of all tests here it sees a small shift first."""

    name = "ranks"
    kinds: tuple[str, ...] = ("number", "integer")

    def compare(self, axis: Axis, reference: Sample, current: Sample) -> Reading:  # noqa: ARG002  (same for all)
        """Return the chance that a value of the window exceeds one of the reference (0.5: neither) as value."""
        found = rank_sum(reference.bins, current.bins)
        return Reading(statistic=self.name, value=found.statistic, p_value=found.p_value)
