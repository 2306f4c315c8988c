from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from detent.records.project import Experiment, RolloutPlan, Stage
from detent.records.rollout import (
    CONCLUDE,
    HOLD,
    REWEIGHT,
    ROLL_BACK,
    ROUTING_BROKEN,
    ArmTally,
    Bad,
    Difference,
    Reward,
    Rollout,
    Tally,
)
from detent.records.route import Arm
from detent.rollout import Look, judge
from detent.rollout.experiment import first_arms

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = RolloutPlan(
    stages=(Stage(name="100%", weight=10_000),),
    min_requests=1,
    min_time=timedelta(0),
    max_time=timedelta(days=7),
    alpha=0.002,
    kind="bandit",
    experiment=Experiment(lasts=timedelta(days=14), min_rewards=100, floor=0.05),
)
THREE = first_arms(PLAN, 1, (2, 3))


def rollout(kind="bandit", arms=THREE, since=T0):
    return Rollout(
        id="shop-1", model="m", endpoint="shop", candidate=2, champion=1, stage=0, stage_since=since.isoformat(),
        started_at=T0.isoformat(), state="running", reason="", kind=kind, arms=arms,
    )  # fmt: skip


def reward(version, mean, rows=400, matured=500):
    return Reward(
        version=version, matured=matured, rewarded=rows, count=rows, total=rows * mean, squares=rows * mean,
        binary=True, value=mean, error=0.02,
    )  # fmt: skip


def judged(look, *, plan=PLAN, after=timedelta(hours=1), **changed):
    return judge(plan, rollout(**changed), look, now=T0 + after)


def tally(version, bad, champion_bad, *, requests=500, entities=0):
    return Tally(
        version=version,
        weight=5000,
        candidate=ArmTally(requests=requests, entities=entities, failures=Bad(events=bad, independent=bad)),
        champion=ArmTally(requests=requests, failures=Bad(events=champion_bad, independent=champion_bad)),
    )


def test_a_bandit_begins_with_equal_arms_and_an_ab_test_with_its_split():
    assert [arm.weight for arm in THREE] == [3334, 3333, 3333]
    ab = replace(PLAN, kind="ab", experiment=Experiment(split=4000))
    assert first_arms(ab, 1, (2, 3)) == tuple(Arm(version=n, weight=w) for n, w in ((1, 6000), (2, 2000), (3, 2000)))


def test_a_bandit_waits_for_matured_rewards_of_every_arm():
    found = judged(Look(rewards=(reward(1, 0.1), reward(2, 0.3, rows=99), reward(3, 0.1))))
    assert (found.action, found.reason) == (HOLD, "99 of 100 matured rewards per arm are in.")
    assert judged(Look(rewards=(reward(1, 0.1), reward(2, 0.3)))).action == HOLD


def test_a_bandit_moves_traffic_to_the_better_arm_and_keeps_the_floor():
    look = Look(rewards=(reward(1, 0.1), reward(2, 0.4), reward(3, 0.1)), route_seq=5)
    found = judged(look)
    assert found.action == REWEIGHT
    weights = {arm.version: arm.weight for arm in found.arms}
    assert weights[2] > 4000
    assert min(weights.values()) >= 500
    assert sum(weights.values()) == 10_000
    assert judged(look) == found
    assert "From now on: version 1" in found.reason


def test_a_bandit_changes_weights_at_most_every_so_often():
    look = Look(rewards=(reward(1, 0.1), reward(2, 0.4), reward(3, 0.1)))
    found = judged(look, since=T0 + timedelta(minutes=55))
    assert found.action == HOLD
    assert "5 min ago" in found.reason


def test_rewards_that_arrive_for_one_arm_more_often_are_not_compared():
    look = Look(rewards=(reward(1, 0.1), reward(2, 0.4, rows=5000, matured=5500), reward(3, 0.1, matured=5500)))
    assert "do not arrive alike" in judged(look).reason


def test_an_arm_that_fails_is_taken_out_and_the_others_go_on():
    look = Look(tallies=(tally(2, 60, 1), tally(3, 1, 1)))
    found = judged(look)
    assert found.action == REWEIGHT
    assert found.arms == (Arm(version=1, weight=6667), Arm(version=3, weight=3333))
    assert "Version 2: 60 of 500 requests failed" in found.reason


def test_the_last_candidate_that_fails_ends_the_experiment():
    two = first_arms(PLAN, 1, (2,))
    assert judged(Look(tallies=(tally(2, 60, 1),)), arms=two).action == ROLL_BACK


def test_broken_routing_stops_an_experiment():
    skewed = Tally(version=2, weight=5000, candidate=ArmTally(entities=900), champion=ArmTally(entities=400))
    assert judged(Look(tallies=(skewed,))).alarm == ROUTING_BROKEN


def test_an_ab_test_ends_with_a_report_and_promotes_nothing():
    plan, arms = replace(PLAN, kind="ab"), first_arms(replace(PLAN, kind="ab"), 1, (2,))
    better, alike = (
        Difference(
            name=name, version=2, source="arms", rows=40_000, candidate_rows=20_000, champion_rows=20_000, mean=mean,
            variance=0.09,
        )
        for name, mean in (("loss", -0.03), ("failures", 0.0001))
    )  # fmt: skip
    few = replace(better, name="seconds", candidate_rows=150)
    look = Look(differences=(better, alike, few))
    running = judged(look, plan=plan, kind="ab", arms=arms)
    assert running.action == HOLD
    found = judged(look, plan=plan, kind="ab", arms=arms, after=timedelta(days=14))
    assert found.action == CONCLUDE
    assert "mean loss: -0.03 (95 %:" in found.reason
    assert "better." in found.reason
    assert "no difference shown" in found.reason
    assert "150 of 200 rows" in found.reason
    assert "nothing is promoted: the version to keep is yours to choose (`detent deploy`)" in found.reason


def test_rows_that_are_all_alike_have_no_interval():
    """Nobody failed: an interval of no width would say that nobody ever will."""
    arms = first_arms(replace(PLAN, kind="ab"), 1, (2,))
    none = Difference(
        name="failures", version=2, source="arms", rows=800, candidate_rows=400, champion_rows=400, mean=0.0,
        variance=0.0,
    )  # fmt: skip
    found = judged(Look(differences=(none,)), plan=replace(PLAN, kind="ab"), kind="ab", arms=arms)
    assert "share of failures: the same in all 800 rows, no difference shown." in found.reason
    assert "95 %" not in found.reason
