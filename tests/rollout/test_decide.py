from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.records.project import RolloutPlan, Stage
from detent.records.rollout import ADVANCE, FINISH, HOLD, ROLL_BACK, Rollout, Tally
from detent.rollout.decide import decide, state_after
from detent.rollout.shadow import ShadowReport, compare_shadow
from detent.statistics.eprocess import rollback_evidence

T0 = datetime(2013, 3, 1, tzinfo=UTC)
PLAN = RolloutPlan(
    stages=tuple(
        Stage(name=name, weight=weight)
        for name, weight in (("shadow", 0), ("1%", 100), ("5%", 500), ("50%", 5000), ("100%", 10_000))
    ),
    min_requests=100,
    min_time=timedelta(hours=1),
    max_time=timedelta(days=7),
    alpha=0.002,
)
ROLLOUT = Rollout(
    id="flights-1",
    model="delay",
    endpoint="flights",
    candidate=4,
    champion=3,
    stage=1,
    stage_since=T0.isoformat(),
    started_at=T0.isoformat(),
    state="running",
    reason="",
)
HEALTHY = ShadowReport(
    requests=500, errors=0, champion_errors=0, pairs=500, candidate_sd=0.2, champion_sd=0.2, rank_correlation=0.9
)


def tally(weight, requests, errors, champion_requests, champion_errors):
    return Tally(
        weight=weight,
        candidate_requests=requests,
        candidate_errors=errors,
        champion_requests=champion_requests,
        champion_errors=champion_errors,
    )


def step(*tallies, stage=1, requests=500, shadow=None, after=timedelta(hours=2), plan=PLAN, rollout=ROLLOUT):
    return decide(plan, replace(rollout, stage=stage), tallies, stage_requests=requests, shadow=shadow, now=T0 + after)


def test_a_stage_advances_when_it_served_long_and_often_enough_without_harm():
    found = step(tally(100, 500, 0, 49_500, 3))
    assert found.action == ADVANCE
    assert "Version 4 answered 500 requests" in found.reason
    assert "on to 5%" in found.reason


@pytest.mark.parametrize(
    ("requests", "after", "said"),
    [(99, timedelta(hours=2), "99 of 100 requests answered"), (500, timedelta(minutes=20), "20 min of 60 min served")],
)
def test_a_stage_waits_for_requests_and_for_time_and_says_which(requests, after, said):
    found = step(tally(100, requests, 0, 9900, 0), requests=requests, after=after)
    assert found.action == HOLD
    assert said in found.reason


def test_no_requests_are_no_decision():
    assert step(requests=0, after=timedelta(days=6)).action == HOLD
    assert step(stage=0, requests=0, shadow=compare_shadow([], []), after=timedelta(days=6)).action == HOLD


def test_a_broken_candidate_is_rolled_back_before_any_minimum_is_met():
    found = step(tally(100, 6, 6, 600, 0), requests=6, after=timedelta(seconds=10))
    assert found.action == ROLL_BACK
    assert found.evidence is not None
    assert found.evidence >= 500
    assert "failed 6 of 6 requests, version 3 0 of 600" in found.reason
    assert "500 to 1 is enough" in found.reason
    assert state_after(found) == "rolled back"


def test_harm_seen_in_an_earlier_stage_still_rolls_back():
    assert step(tally(100, 6, 6, 600, 0), tally(500, 0, 0, 0, 0), stage=2).action == ROLL_BACK
    assert step(tally(5000, 60, 40, 60, 0), stage=4).action == ROLL_BACK


def test_a_shared_outage_does_not_roll_back_but_holds_nothing_up_either():
    found = step(tally(500, 500, 500, 9500, 9500), stage=2)
    assert found.action == ADVANCE


def test_a_few_more_failures_than_tolerated_hold_a_stage_without_rolling_back():
    found = step(tally(5000, 1000, 12, 1000, 6), stage=3, requests=1000)
    assert found.action == HOLD
    assert "too few to be sure" in found.reason


def test_one_failure_in_a_thousand_requests_never_blocks_beside_a_champion_without_any():
    assert step(tally(5000, 1000, 1, 1000, 0), stage=3, requests=1000).action == ADVANCE


def test_a_stage_that_lasts_too_long_is_called_back_and_never_promoted():
    for requests in (3, 100_000):
        found = step(tally(100, requests, 0, 1000, 0), requests=requests, after=timedelta(days=8))
        assert found.action == ROLL_BACK
        assert found.reason.startswith("Inconclusive")
        assert "8 days" in found.reason
        assert "7 days" in found.reason
        assert state_after(found) == "called back"


def test_the_last_stage_finishes():
    found = step(tally(5000, 900, 1, 900, 1), stage=4, requests=0, after=timedelta())
    assert found.action == FINISH
    assert state_after(found) == "promoted"


def test_the_first_version_of_a_model_goes_straight_to_all_traffic():
    found = step(rollout=replace(ROLLOUT, champion=None), stage=0, requests=0)
    assert found.action == FINISH
    assert "first of delay" in found.reason


def test_a_healthy_shadow_advances():
    found = step(stage=0, shadow=HEALTHY)
    assert found.action == ADVANCE
    assert found.evidence is not None
    assert found.evidence < 1


def test_a_shadow_that_compared_nothing_does_not_advance():
    found = step(stage=0, shadow=None)
    assert found.action == HOLD
    assert "compared" in found.reason


def test_a_raising_shadow_is_rolled_back_after_a_few_requests():
    report = compare_shadow([float("nan")] * 4, [0.1, 0.2, 0.3, 0.4])
    found = step(stage=0, requests=4, shadow=report, after=timedelta(seconds=5))
    assert found.action == ROLL_BACK
    assert "failed 4 of 4 shadow requests" in found.reason


def test_a_shadow_that_fails_with_the_champion_is_not_blamed():
    together = replace(HEALTHY, errors=200, champion_errors=200, pairs=300)
    assert step(stage=0, shadow=together).action == ADVANCE


def test_a_constant_shadow_is_refused_unless_the_champion_is_constant_too():
    constant = replace(HEALTHY, candidate_sd=0.0, rank_correlation=None)
    found = step(stage=0, shadow=constant)
    assert found.action == ROLL_BACK
    assert "one and the same score" in found.reason
    assert step(stage=0, shadow=replace(constant, champion_sd=0.0)).action == ADVANCE
    assert step(stage=0, shadow=replace(constant, pairs=20)).action == ADVANCE  # too few pairs to say so


def test_an_inverted_shadow_is_refused_and_an_uncorrelated_one_is_not():
    rng = np.random.default_rng(0)
    champion = rng.random(200)
    noise = rng.normal(0, 0.1, 200)
    found = step(stage=0, shadow=compare_shadow(1 - champion + noise, champion))
    assert found.action == ROLL_BACK
    assert "the other way round" in found.reason
    assert step(stage=0, shadow=compare_shadow(rng.random(200), champion)).action == ADVANCE
    assert step(stage=0, shadow=replace(HEALTHY, rank_correlation=-1.0)).action == ROLL_BACK


def test_chance_does_not_make_a_small_shadow_look_inverted():
    rng = np.random.default_rng(1)
    reports = [compare_shadow(rng.random(30), rng.random(30)) for _ in range(500)]
    assert all(step(stage=0, shadow=report).action == ADVANCE for report in reports)


@given(
    st.integers(0, 4),
    st.lists(
        st.tuples(
            st.sampled_from([0, 100, 500, 5000, 10_000]),
            st.integers(0, 2000),
            st.integers(0, 200),
            st.integers(0, 5000),
            st.integers(0, 200),
        ),
        max_size=4,
    ),
    st.integers(0, 3000),
    st.timedeltas(min_value=timedelta(), max_value=timedelta(days=9)),
)
def test_nothing_moves_up_without_its_minimum_or_against_the_evidence(stage, counts, requests, after):
    tallies = [tally(w, max(n, e), e, max(m, f), f) for w, n, e, m, f in counts]
    found = step(*tallies, stage=stage, requests=requests, shadow=HEALTHY if stage == 0 else None, after=after)
    assert found.reason.endswith((".", "!"))
    assert found.evidence is not None
    if found.evidence >= 1 / PLAN.alpha:
        assert found.action == ROLL_BACK
    if found.action == ADVANCE:
        assert requests >= PLAN.min_requests
        assert PLAN.min_time <= after <= PLAN.max_time
    if found.action == FINISH:
        assert stage == 4


def test_equal_arms_are_never_rolled_back_and_reach_the_end():
    """200 rollouts with 1 % failures in both arms, looked at after every 50 requests."""
    rng = np.random.default_rng(7)
    outcomes = {"promoted": 0, "rolled back": 0, "held": 0}
    for _ in range(60):
        outcomes[_climb(rng, 0.01, 0.01)] += 1
    assert outcomes["rolled back"] == 0
    assert outcomes["promoted"] >= 57
    assert all(_climb(rng, 0.5, 0.01) == "rolled back" for _ in range(20))


def _climb(rng, rate, champion_rate):
    rollout, tallies = replace(ROLLOUT, stage=1), {}
    for tick in range(4000):
        stage = PLAN.stages[rollout.stage]
        ours = int(rng.binomial(50, stage.weight / 10_000))
        before = tallies.get(stage.weight, (0, 0, 0, 0))
        new = (ours, int(rng.binomial(ours, rate)), 50 - ours, int(rng.binomial(50 - ours, champion_rate)))
        tallies[stage.weight] = tuple(a + b for a, b in zip(before, new, strict=True))
        now = T0 + timedelta(minutes=tick)
        found = decide(
            PLAN, rollout, [tally(w, *c) for w, c in tallies.items()],
            stage_requests=tallies[stage.weight][0], shadow=None, now=now,
        )  # fmt: skip
        if found.action in (FINISH, ROLL_BACK):
            return state_after(found)
        if found.action == ADVANCE:
            rollout = replace(rollout, stage=rollout.stage + 1, stage_since=now.isoformat())
    return "held"


def test_one_to_alpha_is_enough_and_less_is_not():
    tallies = [tally(2500, n, n, 300, 0) for n in range(1, 30)]
    odds = {n: rollback_evidence([t]) for n, t in enumerate(tallies, start=1)}
    first = next(n for n, evidence in odds.items() if evidence >= 500)
    for alpha, action in ((1 / odds[first], ROLL_BACK), (0.999 / odds[first], HOLD)):
        found = step(tallies[first - 1], stage=2, requests=first, plan=replace(PLAN, alpha=alpha))
        assert found.action == action


def test_failures_of_another_stage_do_not_excuse_this_one():
    outage = tally(100, 1000, 100, 99_000, 9900)
    assert step(outage, tally(5000, 1000, 12, 1000, 6), stage=3, requests=1000).action == HOLD
