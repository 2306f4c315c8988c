from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from detent.errors import RefusedError
from detent.records.project import RolloutPlan, Stage
from detent.records.rollout import ADVANCE, FINISH, HOLD, INCONCLUSIVE, REWEIGHT, ROLL_BACK, ArmTally, Bad, Step, Tally
from detent.records.route import Arm
from detent.rollout import (
    Look,
    Opening,
    apply_step,
    compare_shadow,
    current,
    decisions,
    get,
    history,
    judge,
    latest_look,
    open_rollout,
)
from detent.rollout.store import extend, freeze_slower, plan_of
from detent.store import ledger
from detent.store.migrate import migrate

T0 = datetime(2013, 3, 1, tzinfo=UTC)
PLAN = RolloutPlan(
    stages=(Stage(name="shadow", weight=0), Stage(name="5%", weight=500), Stage(name="100%", weight=10_000)),
    min_requests=3,
    min_time=timedelta(minutes=1),
    max_time=timedelta(days=1),
    alpha=0.002,
)


@pytest.fixture
def db(databases, tmp_path):
    database = databases.open(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.rollout"])
    return database


def start(db, candidate=2, champion=1, endpoint="flights", now=T0, **more):
    opening = Opening(model="delay", endpoint=endpoint, candidate=candidate, champion=champion, plan=PLAN, **more)
    with db.transaction() as tx:
        return open_rollout(tx, opening, actor="test", now=now)


def move(db, rollout, step, now=T0, look=None):
    with db.transaction() as tx:
        return apply_step(tx, rollout, step, plan=PLAN, look=look, actor="test", now=now)


def events(db):
    return [event.kind for event in ledger.read(db)]


def test_an_opened_rollout_is_the_current_one_of_its_endpoint(db):
    rollout = start(db)
    assert current(db, "flights") == get(db, rollout.id) == rollout
    assert (rollout.stage, rollout.state, rollout.id) == (0, "running", "flights-1")
    assert current(db, "other") is None
    assert events(db) == ["rollout.opened"]


def test_a_second_rollout_on_the_same_endpoint_is_refused(db):
    start(db)
    with pytest.raises(RefusedError, match="version 3") as caught:
        start(db, candidate=3)
    assert "flights-1" in caught.value.why
    assert start(db, candidate=3, endpoint="other").endpoint == "other"
    assert len(history(db, "flights")) == 1


def test_even_plain_sql_can_not_start_a_second_rollout(db):
    rollout = start(db)
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)), db.transaction() as tx:
        tx.execute(
            "INSERT INTO rollouts SELECT 'x', model, endpoint, candidate, champion, stage, stage_since, started_at, "
            "state, reason, kind, arms, slow, slower, plan FROM rollouts WHERE id = :id",
            id=rollout.id,
        )


def test_a_rollout_keeps_the_plan_that_it_began_with(db):
    assert plan_of(db, start(db).id) == PLAN
    assert plan_of(db, "flights-9") is None


def test_the_champion_is_not_rolled_out_against_itself(db):
    with pytest.raises(RefusedError, match="champion"):
        start(db, candidate=1, champion=1)


def test_a_rollout_climbs_and_ends_and_the_ledger_tells_its_story(db):
    rollout = start(db)
    later = T0 + timedelta(hours=1)
    rollout = move(db, rollout, Step(action=ADVANCE, reason="Fine.", evidence=0.5), now=later)
    assert (rollout.stage, rollout.state) == (1, "running")
    assert rollout.stage_since == later.isoformat(timespec="microseconds")
    rollout = move(db, rollout, Step(action=FINISH, reason="Done.", evidence=0.5))
    assert rollout.state == "promoted"
    assert current(db, "flights") is None
    assert get(db, rollout.id) == rollout
    assert events(db) == ["rollout.opened", "rollout.advanced", "rollout.promoted"]
    assert ledger.verify(db).intact


@pytest.mark.parametrize(
    ("alarm", "state", "event"),
    [("", "rolled back", "rollout.rolled_back"), (INCONCLUSIVE, "called back", "rollout.called_back")],
)
def test_a_rollback_ends_a_rollout_and_a_new_one_may_start(db, alarm, state, event):
    rollout = move(db, start(db), Step(action=ROLL_BACK, reason="Enough.", evidence=900.0, alarm=alarm))
    assert rollout.state == state
    assert events(db)[-1] == event
    second = start(db, candidate=3, now=T0 + timedelta(days=1))
    assert [r.id for r in history(db, "flights")] == ["flights-1", second.id] == ["flights-1", "flights-2"]


def test_a_hold_shows_its_reason_and_leaves_no_trail(db):
    rollout = move(db, start(db), Step(action=HOLD, reason="Waiting.", evidence=1.0))
    assert current(db, "flights") == rollout
    assert rollout.reason == "Waiting."
    assert decisions(db, rollout.id) == []
    assert events(db) == ["rollout.opened"]


def test_a_decision_about_a_rollout_that_moved_on_changes_nothing(db):
    rollout = start(db)
    move(db, rollout, Step(action=ADVANCE, reason="First.", evidence=1.0))
    with pytest.raises(RefusedError, match="not moved"):
        move(db, rollout, Step(action=ADVANCE, reason="Second.", evidence=1.0))
    assert current(db, "flights").stage == 1
    assert events(db) == ["rollout.opened", "rollout.advanced"]


def test_a_hold_that_people_must_hear_of_is_told_once_per_stage(db):
    rollout, late = start(db), Step(action=HOLD, reason="Inconclusive: late.", evidence=1.0, alarm=INCONCLUSIVE)
    for _ in range(3):
        rollout = move(db, rollout, late, look=Look())
    assert events(db) == ["rollout.opened", "rollout.inconclusive"]
    assert [decision.step for decision in decisions(db, rollout.id)] == [late]
    with db.transaction() as tx:
        rollout = extend(tx, rollout, reason="More traffic on Monday.", actor="test", now=T0 + timedelta(days=2))
    assert current(db, "flights") == rollout
    move(db, rollout, late, now=T0 + timedelta(days=4))
    assert events(db)[2:] == ["rollout.extended", "rollout.inconclusive"]


def test_a_stage_that_ended_meanwhile_is_not_prolonged(db):
    read = start(db)
    on = move(db, read, Step(action=ADVANCE, reason="on", evidence=1.0), now=T0 + timedelta(hours=1))
    with pytest.raises(RefusedError, match="was not extended"), db.transaction() as tx:
        extend(tx, read, reason="too late", actor="test", now=T0 + timedelta(hours=2))
    assert current(db, "flights") == on


def test_a_bandit_keeps_its_weights(db):
    arms = (Arm(version=1, weight=5000), Arm(version=2, weight=5000))
    rollout = start(db, kind="bandit", arms=arms)
    assert get(db, rollout.id) == rollout
    moved = move(db, rollout, Step(action=REWEIGHT, reason="2 earns more.", evidence=1.0, arms=arms[::-1]))
    assert current(db, "flights").arms == moved.arms == arms[::-1]
    assert events(db)[-1] == "rollout.reweighted"


def test_the_limit_of_slower_is_frozen_once(db):
    rollout = start(db)
    with db.transaction() as tx:
        rollout = freeze_slower(tx, rollout, 0.004)
        rollout = freeze_slower(tx, rollout, 0.9)
    assert rollout.slower == get(db, rollout.id).slower == 0.004


def test_every_stored_decision_can_be_recomputed(db):
    rollout = start(db)
    shadow = compare_shadow([0.1, 0.4, 0.2, 0.6], [0.2, 0.5, 0.1, 0.3])
    failing = ArmTally(requests=9, failures=Bad(events=7, independent=7))
    champion = ArmTally(requests=190, failures=Bad(events=1, independent=1))
    looks = [
        Look(shadow=shadow, entities=4),
        Look(tallies=(Tally(version=2, weight=500, candidate=failing, champion=champion),), entities=9),
    ]
    for number, look in enumerate(looks):
        now = T0 + timedelta(hours=number + 1)
        rollout = move(db, rollout, judge(PLAN, rollout, look, now=now), now=now, look=look)
    assert rollout.state == "rolled back"
    stored = decisions(db, rollout.id)
    assert [decision.step.action for decision in stored] == [ADVANCE, ROLL_BACK]
    for decision, look in zip(stored, looks, strict=True):
        assert decision.look == look
        assert judge(decision.plan, decision.rollout, look, now=datetime.fromisoformat(decision.at)) == decision.step
    assert latest_look(db, rollout.id)[1:] == (looks[-1], stored[-1].step)
