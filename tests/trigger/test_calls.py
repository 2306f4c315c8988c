from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from detent.errors import RefusedError
from detent.store import ledger
from detent.trigger import calls

from .cases import MONDAY

CALLED = calls.Asked(name="refresh", key="monday", body="d1", caller="api:1", at=MONDAY)


@pytest.fixture
def hooked(db):
    with db.transaction() as tx:
        calls.declare(tx, "delay", ["refresh", "other"])
    return db


def call(db, asked):
    with db.transaction() as tx:
        return calls.record_call(tx, asked)


def test_a_call_is_kept_once_and_told_to_the_ledger_once(hooked):
    first, again = call(hooked, CALLED), call(hooked, CALLED)
    assert (first.state, again.state, first.id, again.id) == ("accepted", "known", "refresh-1", "refresh-1")
    assert [one.id for one in calls.waiting(hooked, "delay")] == ["refresh-1"]
    assert [event.kind for event in ledger.read(hooked)] == ["trigger.called"]


def test_the_same_key_for_something_else_is_a_conflict_and_changes_nothing(hooked):
    call(hooked, CALLED)
    assert call(hooked, replace(CALLED, body="d2")).state == "conflict"
    assert len(calls.waiting(hooked, "delay")) == 1


def test_keys_belong_to_one_trigger(hooked):
    call(hooked, CALLED)
    assert call(hooked, replace(CALLED, name="other")).state == "accepted"


def test_a_hundred_calls_at_once_from_four_processes_databases_are_one_call(hooked, databases, tmp_path):
    opened = [databases.open(tmp_path / "detent.db") for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda number: call(opened[number % 4], CALLED), range(100)))
    assert sorted({receipt.state for receipt in receipts}) == ["accepted", "known"]
    assert sum(receipt.state == "accepted" for receipt in receipts) == 1
    assert len(calls.waiting(hooked, "delay")) == 1


def test_a_name_that_is_not_declared_is_refused_with_the_nearest_one(hooked):
    with pytest.raises(RefusedError, match=r"there is no trigger `refesh`") as refused:
        call(hooked, replace(CALLED, name="refesh"))
    assert "refresh" in refused.value.fix


def test_a_name_that_was_taken_out_is_refused_and_its_old_calls_are_heard_by_nobody(hooked):
    call(hooked, CALLED)
    with hooked.transaction() as tx:
        calls.declare(tx, "delay", ["other"])
    assert calls.waiting(hooked, "delay") == ()
    with pytest.raises(RefusedError):
        call(hooked, replace(CALLED, key="tuesday"))
