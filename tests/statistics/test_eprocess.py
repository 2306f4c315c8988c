from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.records.rollout import Tally
from detent.statistics.eprocess import RATIOS, failure_evidence, rollback_evidence


def tally(weight, candidate_errors, champion_errors, requests=1000):
    return Tally(
        weight=weight,
        candidate_requests=requests,
        candidate_errors=candidate_errors,
        champion_requests=requests,
        champion_errors=champion_errors,
    )


def by_hand(tallies, r0):
    """The definition, term by term and without logarithms."""
    total = 0.0
    for ratio in RATIOS:
        product = 1.0
        for t in tallies:
            w, r = t.weight / 10_000, r0 * ratio
            p, p0 = w * r / (w * r + 1 - w), w * r0 / (w * r0 + 1 - w)
            product *= (p / p0) ** t.candidate_errors * ((1 - p) / (1 - p0)) ** t.champion_errors
        total += product
    return total / len(RATIOS)


@given(
    st.lists(
        st.builds(tally, st.sampled_from([100, 500, 2500, 5000]), st.integers(0, 20), st.integers(0, 20)), max_size=4
    ),
    st.sampled_from([1.0, 1.25, 2.0]),
)
def test_evidence_is_the_mixture_written_out(tallies, tolerated):
    assert rollback_evidence(tallies, tolerated=tolerated) == pytest.approx(by_hand(tallies, tolerated), rel=1e-9)


def test_without_failures_there_is_no_evidence():
    assert rollback_evidence([]) == 1
    assert rollback_evidence([tally(100, 0, 0)]) == 1


def test_shadow_and_full_traffic_say_nothing():
    assert rollback_evidence([tally(0, 900, 0), tally(10_000, 900, 0)]) == 1


def test_splitting_a_tally_changes_nothing():
    whole, halves = [tally(500, 8, 30)], [tally(500, 3, 10), tally(500, 5, 20)]
    assert rollback_evidence(halves) == pytest.approx(rollback_evidence(whole))


def test_overwhelming_evidence_stays_a_number_that_json_can_hold():
    assert rollback_evidence([tally(100, 100_000, 0)]) == pytest.approx(1e300)
    assert failure_evidence(100_000, 100_000, tolerated=0.05) == pytest.approx(1e300)
    assert rollback_evidence([tally(5000, 0, 10_000_000)]) >= 0


def crossings(rng, *, weight, ratio, rate, alpha, runs, failures):
    """Share of runs whose evidence ever reaches 1/alpha, looking after every single failure.

    Given a failure, it is the candidate's with a known probability; so drawing failures is drawing requests.
    """
    w = weight / 10_000
    share = w * ratio / (w * ratio + 1 - w)
    ours = np.cumsum(rng.random((runs, failures)) < share, axis=1)
    grid = 1.25 * np.array(RATIOS)
    p, p0 = w * grid / (w * grid + 1 - w), w * 1.25 / (w * 1.25 + 1 - w)
    theirs = np.arange(1, failures + 1) - ours
    paths = np.exp(ours[..., None] * np.log(p / p0) + theirs[..., None] * np.log((1 - p) / (1 - p0))).mean(axis=2)
    last = [tally(weight, int(ours[0, -1]), int(theirs[0, -1]))]
    assert rollback_evidence(last) == pytest.approx(paths[0, -1], rel=1e-9)  # the path is the function's
    return float((paths >= 1 / alpha).any(axis=1).mean())


@pytest.mark.parametrize("weight", [100, 500, 2500, 5000])
def test_false_rollbacks_stay_below_alpha_when_looking_after_every_failure(weight):
    rng = np.random.default_rng(weight)
    on_boundary = crossings(rng, weight=weight, ratio=1.25, rate=0.01, alpha=0.05, runs=1000, failures=1000)
    equal_arms = crossings(rng, weight=weight, ratio=1.0, rate=0.01, alpha=0.05, runs=1000, failures=1000)
    assert on_boundary <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert equal_arms <= 0.05


def test_a_shared_outage_is_no_evidence():
    rng = np.random.default_rng(1)
    for _ in range(200):
        ours = int((rng.random(5000) < 0.05).sum())  # every request fails, 5 % of them are the candidate's
        assert rollback_evidence([tally(500, ours, 5000 - ours)]) < 20


def test_changing_weights_keep_the_bound():
    rng = np.random.default_rng(2)
    runs, rolled_back = 600, 0
    for _ in range(runs):
        tallies = []
        for weight in (100, 500, 2500, 5000):
            share = weight / 10_000 * 1.25 / (weight / 10_000 * 1.25 + 1 - weight / 10_000)
            ours = int(rng.binomial(200, share))
            tallies.append(tally(weight, ours, 200 - ours))
            if rollback_evidence(tallies) >= 20:
                rolled_back += 1
                break
    assert rolled_back / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize(("weight", "most"), [(100, 5), (500, 6), (1000, 8), (2500, 14), (5000, 30)])
def test_a_broken_candidate_is_found_within_a_few_of_its_requests(weight, most):
    """At the default alpha of 0.002, beside a champion that never fails."""
    needed = next(n for n in range(1, 100) if rollback_evidence([tally(weight, n, 0)]) >= 500)
    assert needed <= most


def test_a_broken_candidate_is_found_beside_a_champion_that_fails_too():
    """1 % weight, the champion fails 1 %: 1,000 requests are 10 of the candidate and 10 failures of the champion."""
    assert rollback_evidence([tally(100, 10, 10)]) >= 500


def test_absolute_evidence_needs_failures_above_the_tolerated_rate():
    assert failure_evidence(0, 0, tolerated=0.05) == 1
    assert failure_evidence(0, 1000, tolerated=0.05) < 0.01
    assert failure_evidence(50, 1000, tolerated=0.05) < 1
    assert failure_evidence(5, 5, tolerated=0.05) >= 500
    assert failure_evidence(10, 10, tolerated=1.05) == 1


def test_absolute_evidence_keeps_its_bound_under_every_look():
    rng = np.random.default_rng(3)
    failed = np.cumsum(rng.random((200, 300)) < 0.05, axis=1)
    crossed = [any(failure_evidence(int(f), n + 1, tolerated=0.05) >= 20 for n, f in enumerate(run)) for run in failed]
    assert np.mean(crossed) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
