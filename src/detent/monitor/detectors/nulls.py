"""Missing values: has the share of null, NaN and infinity changed?"""

from __future__ import annotations

from detent.monitor.protocol import Reading
from detent.records.profile import ColumnProfile
from detent.statistics.distances import two_proportions


class Nulls:
    """Compares the shares of missing values. Tests on values alone don't see a column that is turned off."""

    name = "nulls"
    kinds: tuple[str, ...] = ("number", "integer", "string", "boolean")

    def __init__(self, *, matters: float = 0.02) -> None:
        self.matters = matters

    def compare(self, reference: ColumnProfile, current: ColumnProfile) -> Reading:
        """Return the window's share of missing values as value and its distance to the reference's as effect."""
        rows = reference.nulls + sum(reference.counts)
        current_rows = current.nulls + sum(current.counts)
        share = current.nulls / max(1, current_rows)
        both = rows > 0 and current_rows > 0
        return Reading(
            statistic=self.name,
            value=share,
            p_value=two_proportions(reference.nulls, rows, current.nulls, current_rows),
            effect=abs(share - reference.nulls / rows) if both else 0.0,
            threshold=self.matters,
        )
