"""Population stability index: how far the shares of bins or levels have moved, as an effect size with a p-value."""

from __future__ import annotations

from detent.monitor.protocol import Reading
from detent.records.profile import ColumnProfile
from detent.statistics.distances import chi2_homogeneity, coarsen, pool_rare, psi, psi_debiased


class Psi:
    """PSI over the reference's bins, neighbouring small bins joined and rare levels pooled.

    PSI and Pearson's chi-square have one law when nothing changed; the p-value comes from Pearson's statistic, whose
    tail is right at 5 expected rows per bin already, and an exact test for values that the reference (almost) never
    saw.
    """

    name = "psi"
    kinds: tuple[str, ...] = ("number", "integer", "string", "boolean")

    def __init__(self, *, matters: float = 0.1) -> None:
        self.matters = matters

    def compare(self, reference: ColumnProfile, current: ColumnProfile) -> Reading:
        """Return the raw PSI as value and the debiased PSI as effect."""
        pool = coarsen if reference.edges else pool_rare
        expected, counts = pool(reference.counts, current.counts)
        return Reading(
            statistic=self.name,
            value=psi(expected, counts),
            p_value=chi2_homogeneity(expected, counts).p_value,
            effect=psi_debiased(expected, counts),
            threshold=self.matters,
        )
