from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from detent.records.project import Proof, RolloutPlan, Stage
from detent.rollout.forecast import forecast

PLAN = RolloutPlan(
    stages=(Stage(name="5%", weight=500), Stage(name="50%", weight=5000), Stage(name="100%", weight=10_000)),
    min_requests=100,
    min_time=timedelta(minutes=1),
    max_time=timedelta(days=1),
    alpha=0.002,
)


def test_a_broken_canary_takes_a_few_requests_and_fewer_at_a_low_weight():
    low, high = forecast(PLAN, rate=100, failing=0.01)
    assert 3 <= low.harms[0].of_candidate <= 8
    assert high.harms[0].of_candidate > low.harms[0].of_candidate


def test_five_times_the_failures_take_about_as_many_requests_as_simulated():
    """The reference simulates 276 canary requests at 5 %, for 1 % -> 5 %."""
    low, _ = forecast(PLAN, rate=100, failing=0.01)
    assert low.harms[1].of_candidate == pytest.approx(276, rel=0.3)


def test_proof_takes_longer_with_less_traffic_and_is_out_of_reach_at_one_request_a_second():
    fast, slow = (forecast(PLAN, rate=rate, failing=0.01)[-1] for rate in (1000, 100))
    assert slow.proofs[0].time == pytest.approx(10 * fast.proofs[0].time, rel=0.01)
    # Ratio below 1.5 at 1 % failures with half of the traffic: simulated 12,900; forecasts are careful.
    assert 12_900 <= fast.proofs[0].requests <= 1.6 * 12_900
    assert forecast(PLAN, rate=0.1, failing=0.01)[-1].minimum is None


def test_without_failures_the_cap_proves():
    assert forecast(PLAN, rate=100, failing=0.0)[-1].proofs[0].of_candidate == pytest.approx(770, rel=0.03)


def test_each_kind_of_harm_that_is_judged_needs_a_proof_of_its_own():
    """A loose proof about failures alone promotes nothing: slow answers are judged too."""
    loose = replace(PLAN, slow=timedelta(milliseconds=50), proof=Proof(failures=0.1))
    last = forecast(loose, rate=10, failing=0.0)[-1]
    failures, slow, slower = last.proofs
    assert failures.of_candidate < 50 < slow.of_candidate == pytest.approx(770, rel=0.03)
    assert last.minimum == max(one.time for one in last.proofs)
    assert slower.what == "proof of being no slower"
    assert len(forecast(replace(loose, slow=None, slower=None), rate=10, failing=0.0)[-1].proofs) == 1


def test_without_traffic_nothing_is_ever_decided():
    assert all(stage.minimum is None for stage in forecast(PLAN, rate=0, failing=0.0))


def test_a_stage_with_a_time_of_its_own_may_take_that_long_besides_the_limit():
    stages = (Stage(name="50%", weight=5000, lasts=timedelta(days=8)), PLAN.stages[-1])
    (only,) = forecast(replace(PLAN, stages=stages), rate=100, failing=0.0)
    assert only.minimum == timedelta(days=8)


def test_proof_that_takes_no_time_to_speak_of_is_no_reason_to_be_inconclusive():
    assert forecast(PLAN, rate=1e300, failing=0.0)[-1].minimum == PLAN.min_time
