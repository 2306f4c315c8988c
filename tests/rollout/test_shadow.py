from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detent.rollout.shadow import compare_shadow


def test_scores_of_both_versions_are_reduced_to_counts_spread_and_rank_correlation():
    rng = np.random.default_rng(0)
    ours, theirs = rng.random(50), rng.random(50)
    ours[3], theirs[4], theirs[3] = np.nan, np.inf, np.nan
    report = compare_shadow(ours, theirs)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert (report.requests, report.errors, report.champion_errors, report.pairs) == (50, 1, 2, 48)
    assert report.candidate_sd == pytest.approx(ours[both].std())
    assert report.rank_correlation == pytest.approx(stats.spearmanr(ours[both], theirs[both]).statistic)


def test_ties_share_their_rank():
    ours, theirs = [1, 1, 2, 3, 3], [5, 4, 4, 2, 9]
    known = stats.spearmanr(ours, theirs).statistic
    assert compare_shadow(ours, theirs).rank_correlation == pytest.approx(known)


def test_a_constant_version_has_no_rank_correlation():
    report = compare_shadow([0.3, 0.3, 0.3], [0.1, 0.2, 0.3])
    assert report.rank_correlation is None
    assert report.candidate_sd == pytest.approx(0, abs=1e-12)


def test_no_answers_are_a_report_too():
    report = compare_shadow([], [])
    assert (report.requests, report.pairs, report.candidate_sd, report.rank_correlation) == (0, 0, None, None)
    assert compare_shadow([np.nan], [1.0]).pairs == 0


def test_unpaired_scores_are_a_programming_error():
    with pytest.raises(ValueError, match="same requests"):
        compare_shadow([1.0], [1.0, 2.0])
