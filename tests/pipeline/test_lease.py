"""One owner per key: living owners are respected, dead and silent ones are taken over, late ones can't commit."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from detent.pipeline import store
from detent.pipeline.lease import SECONDS, is_alive, is_held, owner_name, try_lease
from detent.store.database import Database
from detent.store.migrate import migrate


@pytest.fixture
def leases(db: Database) -> Database:
    migrate(db, ["detent.store", "detent.pipeline"])
    return db


def other_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


def test_a_key_has_one_owner_and_is_free_once_it_is_released(leases: Database) -> None:
    with leases.transaction() as tx:
        first = try_lease(tx, "key")
        assert first is not None
        assert try_lease(tx, "key") is None
        assert try_lease(tx, "another") is not None
        store.release_lease(tx, "key", token=first.token)
        second = try_lease(tx, "key")
        assert second is not None
        assert second.token > first.token
        assert is_held(tx, second)
        assert not is_held(tx, first)


def test_a_dead_owner_is_taken_over_at_once(leases: Database) -> None:
    process = other_process()
    owner = owner_name(process.pid)
    with leases.transaction() as tx:
        token = store.take_lease(tx, "key", owner=owner, expires=time.time() + 1000)
        assert try_lease(tx, "key") is None
    process.kill()
    process.wait()
    with leases.transaction() as tx:
        taken = try_lease(tx, "key")
        assert taken is not None
        assert taken.token == token + 1


def test_an_owner_that_is_silent_for_too_long_is_taken_over_and_can_commit_no_more(leases: Database) -> None:
    with leases.transaction() as tx:
        late = try_lease(tx, "key")
        assert late is not None
        store.renew_lease(tx, "key", token=late.token, expires=time.time() - 1)
        other = try_lease(tx, "key")
        assert other is not None
        assert not is_held(tx, late)
        store.release_lease(tx, "key", token=late.token)  # of no effect
        store.renew_lease(tx, "key", token=late.token, expires=time.time() + 9 * SECONDS)
        assert is_held(tx, other)
        assert try_lease(tx, "key") is None


def test_a_process_number_that_is_used_again_is_another_owner() -> None:
    host, boot, number, started = owner_name(os.getpid()).split("/")
    assert is_alive(f"{host}/{boot}/{number}/{started}")
    assert not is_alive(f"{host}/{boot}/{number}/{int(started) + 1}")


def test_an_owner_on_another_machine_is_judged_by_its_time_alone() -> None:
    assert is_alive("elsewhere/boot/1/1")
