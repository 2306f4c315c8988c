from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.records.rollout import Split
from detent.statistics.eprocess import (
    FALLS,
    RATIOS,
    SAFE_RATIOS,
    cap_evidence,
    failure_evidence,
    ratio_sequence,
    rollback_evidence,
    routing_evidence,
    safety_evidence,
)


def tally(weight, candidate, champion):
    return Split(weight=weight / 10_000, candidate=candidate, champion=champion)


def by_hand(tallies, r0):
    """The definition, term by term and without logarithms."""
    total = 0.0
    for ratio in RATIOS:
        product = 1.0
        for t in tallies:
            w, r = t.weight, r0 * ratio
            p, p0 = w * r / (w * r + 1 - w), w * r0 / (w * r0 + 1 - w)
            product *= (p / p0) ** t.candidate * ((1 - p) / (1 - p0)) ** t.champion
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


def lr(p, p0, ours, theirs):
    return (p / p0) ** ours * ((1 - p) / (1 - p0)) ** theirs


def test_evidence_of_safety_and_of_a_cap_are_the_mixtures_written_out():
    w, ours, theirs = 0.25, 9, 40
    p0 = w * 1.5 / (w * 1.5 + 1 - w)
    by_ratio = np.mean([lr(w * r / (w * r + 1 - w), p0, ours, theirs) for r in SAFE_RATIOS])
    assert safety_evidence([tally(2500, ours, theirs)], ratio=1.5) == pytest.approx(by_ratio)
    by_cap = np.mean([lr(0.01 * share, 0.01, 2, 598) for share in FALLS])
    assert cap_evidence(2, 600, cap=0.01) == pytest.approx(by_cap)


@pytest.mark.parametrize(("cap", "published"), [(0.005, 780), (0.01, 380), (0.02, 200)])
def test_requests_without_a_failure_that_prove_a_cap_are_those_of_the_reference(cap, published):
    needed = next(n for n in range(1, 2000) if cap_evidence(0, n, cap=cap) >= 20)
    assert published * 0.9 <= needed <= published


def test_broken_routing_is_a_beta_binomial_written_out():
    """The Bayes factor of a Beta(k w, k (1 - w)) prior with k = 100, term by term."""
    ours, theirs, w, k = 7, 5, 0.3, 100.0
    a, b, factor = k * w, k * (1 - w), 1.0
    for number in range(ours):
        factor *= (a + number) / ((a + b + number) * w)
    for number in range(theirs):
        factor *= (b + number) / ((a + b + ours + number) * (1 - w))
    assert routing_evidence([tally(3000, ours, theirs)]) == pytest.approx(factor)


def test_routing_as_declared_is_never_called_broken_and_a_wrong_weight_soon_is():
    rng = np.random.default_rng(4)
    for _ in range(100):
        draws = np.cumsum(rng.random(4000) < 0.05)
        found = [routing_evidence([tally(500, int(draws[n]), n + 1 - int(draws[n]))]) for n in range(99, 4000, 100)]
        assert max(found) < 1000
    draws = int((rng.random(4000) < 0.10).sum())
    assert routing_evidence([tally(500, draws, 4000 - draws)]) >= 1000


def test_the_confidence_sequence_of_the_ratio_covers_it_at_all_times():
    rng, missed = np.random.default_rng(8), 0
    for _ in range(100):
        share = 0.05 * 3 / (0.05 * 3 + 0.95)
        ours = np.cumsum(rng.random(400) < share)
        for n in range(20, 401, 20):
            found = ratio_sequence([tally(500, int(ours[n - 1]), n - int(ours[n - 1]))], alpha=0.05)
            if not found.low <= 3 <= found.high:
                missed += 1
                break
    assert missed <= 10
    last = ratio_sequence([tally(500, 140, 860)])
    assert last.low < 3.1 < last.high
    assert last.likely == pytest.approx(140 / 860 * 19, rel=0.02)
    nothing = ratio_sequence([tally(500, 0, 0)])
    assert (nothing.likely, nothing.low, nothing.high) == (None, 0.0, float("inf"))


def paths(rng, *, weight, rates, requests, look, runs, tolerated=1.25):
    """Return whether the evidence reached 1/alpha and, per run, the canary requests until then; vectorised."""
    looks = requests // look
    ours = rng.binomial(look, weight, size=(runs, looks))
    bad, champion = (rng.binomial(n, rate).cumsum(axis=1) for n, rate in ((ours, rates[0]), (look - ours, rates[1])))
    grid = tolerated * np.array(RATIOS)[:, None, None]
    p, p0 = weight * grid / (weight * grid + 1 - weight), weight * tolerated / (weight * tolerated + 1 - weight)
    logs = bad * np.log(p / p0) + champion * np.log((1 - p) / (1 - p0))
    evidence = np.exp(np.minimum(logs, 600) - np.log(len(RATIOS))).sum(axis=0)
    return evidence, ours.cumsum(axis=1)


# (weight, champion's rate, canary's rate) -> median canary requests until rollback at alpha 0.001, from the reference
POWER = [
    (0.01, 0.001, 1.0, 3), (0.05, 0.001, 1.0, 4), (0.25, 0.001, 1.0, 9), (0.5, 0.001, 1.0, 20),
    (0.01, 0.0, 0.5, 6), (0.05, 0.0, 0.5, 8), (0.25, 0.0, 0.5, 16), (0.5, 0.0, 0.5, 32),
    (0.05, 0.0, 0.01, 362), (0.25, 0.0, 0.01, 684), (0.05, 0.01, 0.05, 276),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "champion", "canary", "published"), POWER)
def test_power_is_that_of_the_reference(weight, champion, canary, published):
    rng = np.random.default_rng(1)
    evidence, seen = paths(rng, weight=weight, rates=(canary, champion), requests=20_000, look=20, runs=200)
    hit = evidence >= 1000
    found = hit.any(axis=1)
    median = np.median(seen[np.arange(200), hit.argmax(axis=1)][found])
    assert found.mean() >= 0.8
    assert median == pytest.approx(published, rel=0.25, abs=3)


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.01, 0.05, 0.25, 0.5])
def test_false_rollbacks_on_the_boundary_are_rarer_than_alpha_in_long_runs(weight):
    rng = np.random.default_rng(2)
    evidence, _ = paths(rng, weight=weight, rates=(0.025, 0.02), requests=40_000, look=100, runs=1500)
    assert (evidence >= 20).any(axis=1).mean() <= 0.05


@pytest.mark.slow
def test_2000_shared_outages_never_roll_back():
    rng = np.random.default_rng(3)
    rates = np.full(600, 0.005)
    rates[200:260] = 0.30
    evidence, _ = paths(rng, weight=0.05, rates=(rates, rates), requests=30_000, look=50, runs=2000)
    assert not (evidence >= 1000).any()


def test_a_heavy_caller_is_harmless_once_its_failures_count_once():
    """1 % of 500 sticky callers always fail, in both versions; requests per caller are Pareto."""
    rng, uncapped, capped = np.random.default_rng(6), 0, 0
    for _ in range(60):
        ours, failing = rng.random(500) < 0.1, rng.random(500) < 0.01
        share = rng.pareto(1.2, 500) + 1
        who = rng.choice(500, 4000, p=share / share.sum())
        bad = who[failing[who]]
        once = np.unique(bad)
        uncapped += rollback_evidence([tally(1000, int(ours[bad].sum()), int((~ours[bad]).sum()))]) >= 1000
        capped += rollback_evidence([tally(1000, int(ours[once].sum()), int((~ours[once]).sum()))]) >= 1000
    assert capped == 0
    assert uncapped > 0  # which is why callers are capped
