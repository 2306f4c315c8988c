"""What a shadow shows: the candidate's answers beside the champion's, for the same requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """Answers of candidate and champion to the same requests, reduced to numbers."""

    requests: int  # requests that both versions saw
    errors: int  # of these, without an answer by the candidate
    champion_errors: int  # of these, without an answer by the champion
    pairs: int  # requests that both answered
    candidate_sd: float | None  # standard deviation of the candidate's scores over the pairs; None below two pairs
    champion_sd: float | None
    rank_correlation: float | None  # Spearman's, over the pairs; None when a version gives one score to all


def compare_shadow(candidate: ArrayLike, champion: ArrayLike) -> ShadowReport:
    """Reduce paired scores (rows,) to a ShadowReport; NaN or an infinity stands for a request without an answer.

    Raises:
        ValueError: the two are not vectors of one length.
    """
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(champion, dtype=np.float64)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError(f"scores for the same requests are compared, not {ours.shape} with {theirs.shape}")
    answered, champion_answered = np.isfinite(ours), np.isfinite(theirs)
    both = answered & champion_answered
    pairs = int(both.sum())
    varied = pairs >= 2 and np.ptp(ours[both]) > 0 and np.ptp(theirs[both]) > 0
    return ShadowReport(
        requests=len(ours),
        errors=int((~answered).sum()),
        champion_errors=int((~champion_answered).sum()),
        pairs=pairs,
        candidate_sd=float(np.std(ours[both])) if pairs >= 2 else None,
        champion_sd=float(np.std(theirs[both])) if pairs >= 2 else None,
        rank_correlation=_spearman(ours[both], theirs[both]) if varied else None,
    )


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Correlate mid-ranks."""
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
