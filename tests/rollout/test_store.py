from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detent.errors import RefusedError
from detent.records.project import RolloutPlan, Stage
from detent.records.rollout import ADVANCE, FINISH, HOLD, ROLL_BACK, Step, Tally
from detent.rollout import (
    apply_step,
    compare_shadow,
    current,
    decide,
    decisions,
    get,
    history,
    open_rollout,
    save_tally,
    tallies,
)
from detent.store import ledger
from detent.store.database import open_database
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
def db(tmp_path):
    database = open_database(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.rollout"])
    yield database
    database.close()


def start(db, candidate=2, champion=1, endpoint="flights", now=T0):
    with db.transaction() as tx:
        return open_rollout(
            tx, model="delay", endpoint=endpoint, candidate=candidate, champion=champion, actor="test", now=now
        )


def move(db, rollout, step, now=T0, shadow=None):
    with db.transaction() as tx:
        return apply_step(tx, rollout, step, stage_requests=3, shadow=shadow, actor="test", now=now)


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
    with pytest.raises(sqlite3.IntegrityError), db.transaction() as tx:
        tx.execute(
            "INSERT INTO rollouts SELECT 'x', model, endpoint, candidate, champion, stage, stage_since, started_at, "
            "state, reason FROM rollouts WHERE id = :id",
            id=rollout.id,
        )


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
    ("reason", "state", "event"),
    [
        ("Version 2 failed 5 of 5 requests.", "rolled back", "rollout.rolled_back"),
        ("Inconclusive: too slow.", "called back", "rollout.called_back"),
    ],
)
def test_a_rollback_ends_a_rollout_and_a_new_one_may_start(db, reason, state, event):
    rollout = move(db, start(db), Step(action=ROLL_BACK, reason=reason, evidence=900.0))
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


def test_later_counts_of_a_stage_replace_earlier_ones(db):
    rollout = start(db)
    first = Tally(weight=0, candidate_requests=1, candidate_errors=0, champion_requests=1, champion_errors=0)
    last = replace(first, candidate_requests=9)
    with db.transaction() as tx:
        save_tally(tx, rollout, first)
        save_tally(tx, rollout, last)
        save_tally(tx, replace(rollout, stage=1), replace(first, weight=500))
    assert tallies(db, rollout.id) == [last, replace(first, weight=500)]


def test_every_stored_decision_can_be_recomputed(db):
    rollout = start(db)
    shadow = compare_shadow([0.1, 0.4, 0.2, 0.6], [0.2, 0.5, 0.1, 0.3])
    looks = [
        (shadow, Tally(weight=0, candidate_requests=4, candidate_errors=0, champion_requests=4, champion_errors=0)),
        (None, Tally(weight=500, candidate_requests=9, candidate_errors=7, champion_requests=190, champion_errors=1)),
    ]
    for number, (report, tally) in enumerate(looks):
        now = T0 + timedelta(hours=number + 1)
        with db.transaction() as tx:
            save_tally(tx, rollout, tally)
            counted = tallies(tx, rollout.id)
            step = decide(PLAN, rollout, counted, stage_requests=3, shadow=report, now=now)
            rollout = apply_step(tx, rollout, step, stage_requests=3, shadow=report, actor="test", now=now)
    assert rollout.state == "rolled back"
    stored = decisions(db, rollout.id)
    assert [decision.step.action for decision in stored] == [ADVANCE, ROLL_BACK]
    for decision in stored:
        then = replace(rollout, stage=decision.stage, stage_since=decision.stage_since)
        again = decide(
            PLAN, then, decision.tallies, stage_requests=decision.stage_requests, shadow=decision.shadow,
            now=datetime.fromisoformat(decision.at),
        )  # fmt: skip
        assert again == decision.step
