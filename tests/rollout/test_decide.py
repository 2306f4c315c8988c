from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.records.project import RolloutPlan, Stage
from detent.records.rollout import (
    ADVANCE,
    FINISH,
    HOLD,
    INCONCLUSIVE,
    ROLL_BACK,
    ROUTING_BROKEN,
    ArmTally,
    Bad,
    Difference,
    Rollout,
    Tally,
)
from detent.rollout.decide import decide, state_after
from detent.rollout.look import Look, look_as_json, look_from_json, plan_as_json, plan_from_json
from detent.rollout.shadow import ShadowReport, compare_shadow
from detent.store.canonical import canonical

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


def arm(requests, errors=0, *, once=None, slow=0, slower=0, entities=0):
    return ArmTally(
        requests=requests,
        entities=entities,
        failures=Bad(events=errors, independent=errors if once is None else once),
        slow=Bad(events=slow, independent=slow),
        slower=Bad(events=slower, independent=slower),
    )


def tally(weight, requests, errors, champion_requests, champion_errors):
    return Tally(
        version=4, weight=weight, candidate=arm(requests, errors), champion=arm(champion_requests, champion_errors)
    )


def step(*tallies, stage=1, shadow=None, after=timedelta(hours=2), plan=PLAN, rollout=ROLLOUT, entities=100, **seen):
    look = Look(tallies=tallies, entities=entities, shadow=shadow, **seen)
    return decide(plan, replace(rollout, stage=stage), look, now=T0 + after)


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
    found = step(tally(100, requests, 0, 9900, 0), after=after)
    assert found.action == HOLD
    assert said in found.reason


def test_no_requests_are_no_decision():
    assert step(after=timedelta(days=6)).action == HOLD
    assert step(stage=0, shadow=compare_shadow([], []), after=timedelta(days=6)).action == HOLD


def test_a_broken_candidate_is_rolled_back_before_any_minimum_is_met():
    found = step(tally(100, 6, 6, 600, 0), after=timedelta(seconds=10))
    assert found.action == ROLL_BACK
    assert found.evidence is not None
    assert found.evidence >= 1000
    assert "6 of 6 requests failed, 0 of 600 of version 3" in found.reason
    assert "1,000 to 1 is enough" in found.reason
    assert state_after(found) == "rolled back"


def test_harm_seen_in_an_earlier_stage_still_rolls_back():
    assert step(tally(100, 6, 6, 600, 0), tally(500, 0, 0, 0, 0), stage=2).action == ROLL_BACK
    assert step(tally(5000, 60, 40, 60, 0), stage=4).action == ROLL_BACK


def test_a_shared_outage_does_not_roll_back_but_holds_nothing_up_either():
    found = step(tally(500, 500, 500, 9500, 9500), stage=2)
    assert found.action == ADVANCE


def test_a_few_more_failures_than_tolerated_hold_a_stage_without_rolling_back():
    found = step(tally(5000, 1000, 60, 1000, 25), stage=3)
    assert found.action == HOLD
    assert "too little to be sure" in found.reason


def test_one_failure_in_a_thousand_requests_never_blocks_an_early_stage():
    assert step(tally(500, 1000, 1, 19_000, 0), stage=2).action == ADVANCE


def test_all_traffic_is_given_on_positive_evidence_only():
    few = step(tally(5000, 700, 0, 700, 0), stage=3)
    assert few.action == HOLD
    assert (
        "failures not yet shown to be below 0.5% of requests or 1.5 times the champion's (the odds are " in few.reason
    )
    assert step(tally(5000, 800, 0, 800, 0), stage=3).action == ADVANCE  # by the cap
    assert step(tally(5000, 9000, 270, 9000, 270), stage=3).action == ADVANCE  # by the ratio: both fail 3 %
    assert step(tally(5000, 9000, 390, 9000, 270), stage=3).action == HOLD


def test_evidence_of_earlier_stages_counts_for_promotion():
    early = tally(500, 600, 0, 11_400, 0)
    assert step(early, tally(5000, 200, 0, 200, 0), stage=3).action == ADVANCE
    assert step(tally(5000, 200, 0, 200, 0), stage=3).action == HOLD


def test_every_metric_must_pass():
    timed = replace(ROLLOUT, slow=0.02, slower=0.005)
    clean = Tally(version=4, weight=5000, candidate=arm(2000, slower=100), champion=arm(2000, slower=100))
    assert step(clean, stage=3, rollout=timed).action == ADVANCE
    slow = replace(clean, candidate=arm(2000, slow=30, slower=100), champion=arm(2000, slow=20, slower=100))
    found = step(slow, stage=3, rollout=timed)
    assert found.action == HOLD
    assert "slow answers not yet shown" in found.reason
    assert [metric.name for metric in found.metrics] == ["failures", "slow", "slower"]


@pytest.mark.parametrize("kind", ["slow", "slower"])
def test_a_slow_candidate_is_rolled_back_by_either_limit(kind):
    timed = replace(ROLLOUT, slow=0.02, slower=0.005)
    counts = Tally(version=4, weight=500, candidate=arm(200, **{kind: 30}), champion=arm(3800, **{kind: 20}))
    found = step(counts, stage=2, rollout=timed)
    assert found.action == ROLL_BACK
    assert "slower than" in found.reason
    assert step(counts, stage=2).action == ADVANCE  # no limit was known when the rollout began


def test_a_busy_caller_that_always_fails_is_one_event():
    loud = Tally(version=4, weight=500, candidate=arm(500, 400, once=1), champion=arm(9500, 0))
    assert step(replace(loud, candidate=arm(500, 400)), stage=2).action == ROLL_BACK
    assert step(loud, stage=2).action != ROLL_BACK
    last = replace(loud, weight=5000)
    assert step(last, stage=3).action == HOLD  # its failures are failures all the same: the cap is not met


def test_doubts_stay_where_a_plan_asks_for_little_proof():
    loose = replace(PLAN, proof=replace(PLAN.proof, failures=0.1))
    found = step(tally(500, 120, 3, 1000, 0), stage=2, plan=loose)
    assert found.action == HOLD
    assert "too little to be sure" in found.reason


def test_few_callers_are_not_enough():
    found = step(tally(100, 500, 0, 49_500, 0), entities=29)
    assert found.action == HOLD
    assert "29 of 30 callers seen" in found.reason


def test_broken_routing_holds_and_alarms_and_never_promotes():
    skewed = Tally(version=4, weight=5000, candidate=arm(3000, entities=3000), champion=arm(2000, entities=2000))
    found = step(skewed, stage=3)
    assert (found.action, found.alarm) == (HOLD, ROUTING_BROKEN)
    assert "3,000 of 5,000 callers" in found.reason
    even = replace(skewed, candidate=arm(2550, entities=2550), champion=arm(2450, entities=2450))
    assert step(even, stage=3).alarm == ""


def test_harm_comes_before_broken_routing():
    both = Tally(version=4, weight=500, candidate=arm(900, 500, entities=900), champion=arm(900, 0, entities=900))
    assert step(both, stage=2).action == ROLL_BACK


@pytest.mark.parametrize("requests", [3, 100_000])
def test_a_stage_that_lasts_too_long_is_inconclusive_and_holds(requests):
    found = step(tally(100, requests, 0, 1000, 0), after=timedelta(days=8))
    assert (found.action, found.alarm) == (HOLD, INCONCLUSIVE)
    assert found.reason.startswith("Inconclusive")
    assert "8 days" in found.reason
    assert "7 days" in found.reason
    assert state_after(found) == "running"
    away = step(tally(100, requests, 0, 1000, 0), after=timedelta(days=8), plan=replace(PLAN, on_timeout="rollback"))
    assert (away.action, state_after(away)) == (ROLL_BACK, "called back")


def test_a_stage_that_is_held_is_still_watched():
    found = step(tally(100, 20, 20, 2000, 0), after=timedelta(days=8))
    assert (found.action, state_after(found)) == (ROLL_BACK, "rolled back")


def test_a_stage_with_its_own_length_is_a_holdback():
    held = Stage(name="99%", weight=9900, lasts=timedelta(days=1))
    plan = replace(PLAN, stages=(*PLAN.stages[:3], held, PLAN.stages[4]))
    proven = tally(9900, 99_000, 0, 1000, 0)
    assert step(proven, stage=3, plan=plan, after=timedelta(hours=20)).action == HOLD
    assert step(proven, stage=3, plan=plan, after=timedelta(hours=25)).action == ADVANCE
    failing = tally(9900, 99_000, 30_000, 1000, 30)
    assert step(failing, stage=3, plan=plan, after=timedelta(hours=2)).action == ROLL_BACK


def difference(mean, rows=4000, source="shadow", **changed):
    made = Difference(
        name="loss", version=4, source=source, rows=rows, candidate_rows=rows // 2, champion_rows=rows // 2,
        mean=mean, variance=0.09,
    )  # fmt: skip
    return replace(made, **changed)


def test_labels_that_prove_a_worse_model_roll_back():
    assert step(tally(5000, 900, 0, 900, 0), stage=3, differences=(difference(0.05),)).action == ROLL_BACK
    assert step(tally(5000, 900, 0, 900, 0), stage=3, differences=(difference(0.01),)).action == ADVANCE
    assert step(stage=0, shadow=HEALTHY, differences=(difference(0.05, rows=300),)).action == ADVANCE  # too few


def test_promotion_waits_for_labels_only_where_the_plan_says_so():
    plan = replace(PLAN, proof=replace(PLAN.proof, loss=0.03))
    good = tally(5000, 900, 0, 900, 0)
    assert step(good, stage=3, plan=plan).action == HOLD
    assert step(good, stage=3, plan=plan, differences=(difference(0.0),)).action == ADVANCE
    assert step(good, stage=3, plan=plan, differences=(difference(0.02),)).action == HOLD


def test_labels_that_arrive_for_one_arm_only_say_nothing():
    uneven = difference(
        0.3, source="arms", candidate_rows=300, champion_rows=3700, candidate_matured=2000, champion_matured=4000
    )
    assert step(tally(5000, 900, 0, 900, 0), stage=3, differences=(uneven,)).action == ADVANCE
    plan = replace(PLAN, proof=replace(PLAN.proof, loss=0.03))
    found = step(tally(5000, 900, 0, 900, 0), stage=3, plan=plan, differences=(uneven,))
    assert "labels do not arrive alike" in found.reason


def test_blue_green_proves_its_answers_in_the_shadow():
    plan = replace(PLAN, kind="blue_green", stages=(PLAN.stages[0], PLAN.stages[-1]))
    few, many = replace(HEALTHY, requests=500, pairs=500), replace(HEALTHY, requests=800, pairs=800)
    assert step(stage=0, shadow=few, plan=plan).action == HOLD
    assert step(stage=0, shadow=many, plan=plan).action == ADVANCE
    assert step(stage=1, plan=plan).action == FINISH


def test_what_is_kept_of_a_look_and_a_plan_gives_them_back():
    look = Look(
        tallies=(tally(500, 9, 1, 90, 2),), entities=3, shadow=HEALTHY, differences=(difference(0.1),), route_seq=8
    )
    assert look_from_json(json.loads(canonical(look_as_json(look)))) == look
    for plan in (PLAN, replace(PLAN, slow=timedelta(milliseconds=20), slower=None, on_timeout="rollback")):
        assert plan_from_json(json.loads(canonical(plan_as_json(plan)))) == plan


def test_the_last_stage_finishes():
    found = step(tally(5000, 900, 1, 900, 1), stage=4, after=timedelta())
    assert found.action == FINISH
    assert state_after(found) == "promoted"


def test_the_first_version_of_a_model_goes_straight_to_all_traffic():
    found = step(rollout=replace(ROLLOUT, champion=None), stage=0)
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
    found = step(stage=0, shadow=report, after=timedelta(seconds=5))
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
    assert all(step(stage=0, shadow=report).action == HOLD for report in reports)


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
    st.timedeltas(min_value=timedelta(), max_value=timedelta(days=9)),
)
def test_nothing_moves_up_without_its_minimum_or_against_the_evidence(stage, counts, after):
    tallies = [tally(w, max(n, e), e, max(m, f), f) for w, n, e, m, f in counts]
    found = step(*tallies, stage=stage, shadow=HEALTHY if stage == 0 else None, after=after)
    assert found.reason.endswith((".", "!"))
    assert found.evidence is not None
    if any(metric.harm >= 1 / metric.alpha for metric in found.metrics):
        assert found.action == ROLL_BACK
    if found.action == ADVANCE:
        here = [one.candidate.requests for one in tallies if one.weight == PLAN.stages[stage].weight]
        assert stage == 0 or sum(here) >= PLAN.min_requests
        assert PLAN.min_time <= after <= PLAN.max_time
    if stage == 3 and found.action == ADVANCE:
        assert all(metric.safe >= 20 for metric in found.metrics)
    if found.action == FINISH:
        assert stage == 4


def climb(rng, rate, champion_rate, *, looks=2500, per_look=50):
    """Run one rollout from the first canary stage; return how it ended and how many requests the canary answered."""
    rollout, counts = replace(ROLLOUT, stage=1), {}
    for tick in range(looks):
        weight = PLAN.stages[rollout.stage].weight
        ours = int(rng.binomial(per_look, weight / 10_000))
        theirs = per_look - ours
        new = (ours, int(rng.binomial(ours, rate)), theirs, int(rng.binomial(theirs, champion_rate)))
        counts[weight] = tuple(a + b for a, b in zip(counts.get(weight, (0, 0, 0, 0)), new, strict=True))
        now = T0 + timedelta(minutes=tick)
        look = Look(tallies=tuple(tally(w, *c) for w, c in counts.items()), entities=counts[weight][0])
        found = decide(PLAN, rollout, look, now=now)
        if found.action in (FINISH, ROLL_BACK):
            return state_after(found), sum(c[0] for c in counts.values())
        if found.action == ADVANCE:
            rollout = replace(rollout, stage=rollout.stage + 1, stage_since=now.isoformat())
    return "held", sum(c[0] for c in counts.values())


def test_equal_arms_are_never_rolled_back_and_reach_the_end():
    rng = np.random.default_rng(7)
    ended = [climb(rng, 0.01, 0.01)[0] for _ in range(10)]
    assert "rolled back" not in ended
    assert ended.count("promoted") >= 9


@pytest.mark.slow
def test_of_200_rollouts_of_equal_arms_at_most_one_is_rolled_back():
    rng = np.random.default_rng(11)
    ended = [climb(rng, 0.01, 0.01, per_look=500)[0] for _ in range(200)]
    assert ended.count("rolled back") <= 1
    assert ended.count("promoted") >= 180


@pytest.mark.parametrize("champion_rate", [0.0, 0.01])
def test_a_totally_broken_candidate_is_back_within_10_of_its_requests(champion_rate):
    rng = np.random.default_rng(5)
    for _ in range(20):
        ended, requests = climb(rng, 1.0, champion_rate, per_look=1)
        assert ended == "rolled back"
        assert requests <= 10


def test_one_to_alpha_is_enough_and_less_is_not():
    tallies = [tally(2500, n, n, 300, 0) for n in range(1, 30)]
    odds = [step(one, stage=2).evidence for one in tallies]
    first = next(at for at, evidence in enumerate(odds) if evidence >= 1000)
    for alpha, action in ((2 / odds[first], ROLL_BACK), (1.998 / odds[first], HOLD)):  # half of alpha is for failures
        assert step(tallies[first], stage=2, plan=replace(PLAN, alpha=alpha)).action == action


def test_failures_of_an_outage_in_both_arms_do_not_excuse_a_bad_candidate():
    outage = tally(100, 1000, 100, 99_000, 9900)
    assert step(outage, tally(5000, 1000, 120, 1000, 30), stage=3).action == ROLL_BACK
