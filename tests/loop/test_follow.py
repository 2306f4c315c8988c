"""A host that follows a database it shares by looking at it now and then: SQLite tells nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from detent.errors import RefusedError, StoreError, TamperedError
from detent.loop.hosts.follow import Follower
from detent.loop.hosts.open_host import open_host
from detent.loop.hosts.publish import publish, refused_elsewhere
from detent.loop.releases.traffic import desired_route
from detent.loop.servers.serve import supervise
from detent.loop.workspace import ServingHost, Workspace
from detent.registry import versions
from detent.serving import hosts
from detent.serving.pages import keyring
from detent.serving.pages.routes import RoutePage
from detent.serving.places import following, prediction_key, route_page
from detent.store import ledger
from detent.store.blobs.naming import name_of

from .host_processes import wait_until


@pytest.fixture
def follower(second: ServingHost) -> Iterator[Follower]:
    """The second host, with serving processes."""
    supervisor = supervise(second, port=0)
    follower = Follower(second, supervisor, tell=lambda _: None)
    follower.converge()
    supervisor.start()
    with follower:
        yield follower
        supervisor.stop()


def state_of(ws: Workspace) -> str:
    return hosts.hosts(ws.db, "shop")[0].state


def weights(ws: ServingHost) -> dict[int, int]:
    return {arm.version: arm.weight for arm in RoutePage(route_page(ws.state)).read()[1]["shop"].arms}


def test_a_host_follows_changes_keys_and_stops_to_count_when_it_is_stopped(
    first: Workspace, second: ServingHost, follower: Follower
) -> None:
    wait_until(lambda: state_of(first) == "serving")
    assert weights(second) == {1: 10_000}
    assert "detent_following_up 1" in following(second.state).read_text()
    began, route = time.monotonic(), desired_route(first)
    publish(first, route, replace(route, arms=()))
    wait_until(lambda: weights(second) == {})
    assert time.monotonic() - began < 10
    with first.db.transaction() as tx:
        keyring.add(tx, keyring.Wish(name="billing", scopes=("predict",)), actor="test", now=first.now())
    wait_until(lambda: [key.name for key in keyring.open_page(second.state).read()[1]] == ["billing"])
    assert (ledger.verify(first.db).intact, ledger.verify(second.db).intact) == (True, True)
    follower.__exit__()
    assert state_of(first) == "gone"
    assert refused_elsewhere(first, [1], timeout=0.0) == {}


def test_a_host_does_not_begin_with_a_version_that_it_can_not_fetch(first: Workspace, second: ServingHost) -> None:
    (first.state / "blobs" / name_of(versions.get(first.db, "shop", 1).digest)).unlink()
    with pytest.raises(StoreError):
        Follower(second, supervise(second, port=0), tell=print).converge()


def test_a_host_whose_prediction_ids_nobody_else_would_know_does_not_begin(
    first: Workspace, second: ServingHost
) -> None:
    prediction_key(second.state).write_bytes(b"x" * 32)
    with pytest.raises(TamperedError, match="key of the prediction ids"):
        Follower(second, supervise(second, port=0), tell=print).converge()


def test_without_a_shared_database_or_a_deployment_there_is_nothing_to_follow(
    first: Workspace, second: ServingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with first.db.transaction() as tx:
        tx.execute("DELETE FROM published_routes")
    with pytest.raises(RefusedError, match="nothing to serve"):
        Follower(second, supervise(second, port=0), tell=print).converge()
    monkeypatch.delenv("DETENT_DATABASE_URL")
    with pytest.raises(RefusedError, match="no database to follow"):
        open_host(second.folder)


def test_what_was_decided_about_another_route_is_not_published(first: Workspace) -> None:
    route = desired_route(first)
    publish(first, route, replace(route, arms=()))  # somebody was faster
    before = hosts.published(first.db, "shop")
    with pytest.raises(hosts.OvertakenError, match="by somebody else"):
        publish(first, route, route)
    assert hosts.published(first.db, "shop") == before


def test_hosts_have_numbers_of_their_own_that_stay(first: Workspace, second: ServingHost) -> None:
    numbers = []
    for ws in (second, first, second):
        with ws.db.transaction() as tx:
            numbers.append(hosts.enrol(tx, ws.state, "shop", ws.now()))
    assert numbers == [1, 2, 1]
