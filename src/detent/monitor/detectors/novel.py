"""Levels that the training data did not have: are there more of them than chance brings?"""

from __future__ import annotations

from detent.monitor.protocol import Reading, Sample
from detent.statistics.distances import two_proportions
from detent.statistics.layout import Axis
from detent.statistics.levels import expected_novel


class Novel:
    """Compares the share of rows with an unknown level with what the reference lets expect; only more of them counts.

    A column with many rare levels always brings new ones. How many is bounded by its known rare levels (Good and
    Turing): each was new once.
    """

    name = "novel"
    kinds: tuple[str, ...] = ("string", "boolean")

    def compare(self, axis: Axis, reference: Sample, current: Sample) -> Reading:
        """Return the window's share of rows with an unknown level as value."""
        share = current.novel / current.rows if current.rows else 0.0
        expected = expected_novel(axis, reference.bins, reference.novel)
        before = expected / reference.rows if reference.rows else 0.0
        if share <= before:
            return Reading(statistic=self.name, value=share, p_value=1.0)
        counted = round(expected), round(reference.rows), round(current.novel), round(current.rows)
        return Reading(statistic=self.name, value=share, p_value=two_proportions(*counted))
