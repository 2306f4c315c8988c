from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from detent.errors import RefusedError
from detent.records.key import SCOPES, ApiKey
from detent.serving import places
from detent.serving.counts.counters import Counters
from detent.serving.http.paths import PUBLIC, ROUTES
from detent.serving.pages import keyring
from detent.serving.pages.keyring import Wish
from detent.serving.pages.keys import EVERYTHING, Keys
from detent.serving.pages.limits import Meters
from detent.serving.problems import Problem
from detent.serving.workers.supervisor import Supervisor
from detent.store import ledger
from detent.store.database import Database, open_database
from detent.store.migrate import migrate

from .builders import ENDPOINT, ROW, World, body
from .conftest import Local

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PREDICT = f"/v1/models/{ENDPOINT}:predict"
Start = Callable[..., Local]


@pytest.fixture
def db(tmp_path: Path) -> Database:
    database = open_database(tmp_path / "ledger.db")
    migrate(database, ["detent.store"])
    return database


class Ring:
    """The keys of one state folder, as `detent keys` moves them."""

    def __init__(self, state: Path, db: Database) -> None:
        self.state, self.db = state, db

    def add(self, name: str = "billing", *scopes: str, **more: object) -> tuple[ApiKey, str]:
        wish = Wish(name=name, scopes=scopes or ("predict",), **more)  # type: ignore[arg-type]
        with self.db.transaction() as tx:
            made = keyring.add(tx, wish, actor="cli:me", now=NOW)
        keyring.publish(self.state, self.db)
        return made

    def revoke(self, name: str) -> ApiKey:
        with self.db.transaction() as tx:
            key = keyring.revoke(tx, name, actor="cli:me", now=NOW)
        keyring.publish(self.state, self.db)
        return key


@pytest.fixture
def ring(world: World, db: Database) -> Ring:
    return Ring(world.state, db)


@pytest.fixture
def keys(ring: Ring) -> Keys:
    """The keys as a worker sees them."""
    return worker_keys(ring.state)


def worker_keys(state: Path, digest: str | None = None, now: Callable[[], float] = time.time) -> Keys:
    counters = Counters(places.counter_files(state), 0)
    meters = Meters(places.meters(state), keyring.MOST, slot=0, workers=1)
    return Keys(digest, counters, keyring.open_page(state), meters, now=now)


def bearer(text: str) -> bytes:
    return f"Bearer {text}".encode()


def test_without_keys_everybody_may_ask_for_everything(keys: Keys) -> None:
    assert keys.grant(None) is EVERYTHING
    assert keys.allows(b"whatever")


def test_a_key_opens_what_its_scopes_say(ring: Ring, keys: Keys) -> None:
    for scope in SCOPES:
        key, text = ring.add(scope, scope)
        for other in SCOPES:
            if other == scope:
                assert keys.authorise(bearer(text), other).id == key.id
            else:
                with pytest.raises(Problem, match="may not do that") as refused:
                    keys.authorise(bearer(text), other)
                assert refused.value.status == 403
        assert keys.allows(bearer(text)) == (scope == "predict")


def test_a_key_for_one_endpoint_is_refused_at_another(ring: Ring, keys: Keys) -> None:
    _, text = ring.add(endpoints=("flights",))
    keys.authorise(bearer(text), "predict", "flights")
    with pytest.raises(Problem, match="may not do that"):
        keys.authorise(bearer(text), "predict", "boats")


def test_a_made_up_or_changed_key_is_nobody(ring: Ring, keys: Keys) -> None:
    key, text = ring.add()
    secret = text.rpartition("_")[2]
    wrong = (None, b"", b"Bearer", bearer(""), bearer(text[:-1]), bearer(text + "x"), bearer(f"dk_{key.id}_"),
             bearer(f"dk_00000000_{secret}"), bearer(key.digest), text.encode(), b"Basic " + text.encode(),
             b"Bearer dk_\xff_\xff")  # fmt: skip
    for header in wrong:
        assert keys.grant(header) is None, header
    assert keys.grant(b"bearer  " + text.encode()) is not None


def test_a_revoked_key_is_refused_at_once_and_revoking_the_last_one_opens_nothing(ring: Ring, keys: Keys) -> None:
    first, text = ring.add("first")
    _, other = ring.add("second")
    assert keys.allows(bearer(text))
    ring.revoke(first.id)
    assert not keys.allows(bearer(text))
    assert keys.allows(bearer(other))
    ring.revoke("second")
    assert not keys.allows(bearer(other))
    assert not keys.allows(None)


def test_the_key_of_the_environment_goes_on_beside_the_others(ring: Ring) -> None:
    keys = worker_keys(ring.state, hashlib.sha256(b"secret").hexdigest())
    _, text = ring.add()
    assert keys.grant(b"Bearer secret") is EVERYTHING
    assert keys.allows(bearer(text))
    assert not keys.allows(None)


def test_a_key_ends_at_its_moment_also_when_it_was_seen_before(ring: Ring) -> None:
    clock = [NOW.timestamp()]
    keys = worker_keys(ring.state, now=lambda: clock[0])
    _, text = ring.add(expires=NOW + timedelta(hours=1))
    clock[0] += 3599
    assert keys.allows(bearer(text))
    clock[0] += 1
    assert not keys.allows(bearer(text))


def test_a_damaged_page_shuts_a_new_worker_and_leaves_an_old_one_its_keys(ring: Ring, keys: Keys) -> None:
    _, text = ring.add()
    assert keys.allows(bearer(text))
    path = places.key_page(ring.state)
    path.write_bytes(path.read_bytes()[:24] + bytes(path.stat().st_size - 24))
    fresh = Keys(None, Counters(places.counter_files(ring.state), 1), keyring.open_page(ring.state))
    assert not fresh.allows(bearer(text))
    assert not fresh.allows(None)


def test_limits_go_on_when_another_key_is_made(ring: Ring, keys: Keys) -> None:
    _, text = ring.add(concurrency=1)
    meter = keys.authorise(bearer(text)).meter
    assert meter is not None
    assert meter.enter()
    ring.add("another")
    again = keys.authorise(bearer(text)).meter
    assert again is meter
    assert not meter.enter()


def test_neither_ledger_nor_page_holds_the_secret(ring: Ring) -> None:
    key, text = ring.add(rate=5.0)
    ring.revoke(key.id)
    secret = text.removeprefix(f"dk_{key.id}_")
    events = list(ledger.read(ring.db, kind="key"))
    assert [event.kind for event in events] == ["key.added", "key.revoked"]
    assert secret not in repr(events)
    assert secret.encode() not in places.key_page(ring.state).read_bytes()
    assert ledger.verify(ring.db).intact
    assert key.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert places.key_page(ring.state).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(name="", scopes=("predict",)), "name of a key"),
        (Wish(name="a\nb", scopes=("predict",)), "name of a key"),
        (Wish(name="a", scopes=("predcit",)), "no scope"),
        (Wish(name="a", scopes=()), "may do nothing"),
        (Wish(name="a", scopes=("predict",), expires=NOW), "expired already"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(db: Database, wish: Wish, words: str) -> None:
    with pytest.raises(RefusedError, match=words), db.transaction() as tx:
        keyring.add(tx, wish, actor="cli:me", now=NOW)
    assert keyring.all_keys(db) == []


def test_revoking_names_one_key_or_nothing(ring: Ring) -> None:
    ring.add("twin")
    second, _ = ring.add("twin")
    with pytest.raises(RefusedError, match="2 keys are called"):
        ring.revoke("twin")
    with pytest.raises(RefusedError, match="there is no key"):
        ring.revoke("nobody")
    assert ring.revoke(second.id).revoked_at == ring.revoke(second.id).revoked_at
    assert ring.revoke("twin").revoked_at is not None


def test_every_route_has_a_rule_and_every_scope_opens_its_own(world: World, ring: Ring, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    texts = {scope: ring.add(scope, scope)[1] for scope in SCOPES}
    for rule in ROUTES:
        path = rule.path.replace("{endpoint}", ENDPOINT).replace("{version}", "1")
        assert rule.access in {PUBLIC, *SCOPES}, rule
        bare = app.ask(rule.method, path, body(ROW)).status_code
        assert (bare == 401) == (rule.access != PUBLIC), rule
        for scope, text in texts.items():
            status = app.ask(rule.method, path, body(ROW), authorization=f"Bearer {text}").status_code
            assert (status == 403) == (rule.access not in (PUBLIC, scope)), (rule, scope)
            assert status != 401


def test_a_refusal_says_which_limit_and_when_to_come_again(world: World, ring: Ring, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    _, text = ring.add("slow", "predict", "feedback", rate=0.5, burst=2)
    header = {"authorization": f"Bearer {text}"}
    statuses = [app.ask("POST", PREDICT, body(ROW), **header) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert statuses[2].json()["type"] == "urn:detent:problem:rate-limited"
    assert 2 <= int(statuses[2].headers["retry-after"]) <= 5
    assert app.ask("POST", "/feedback", b"{}", **header).status_code == 429
    assert app.numbers()[0]["limited"] == 1


def test_a_revoked_key_is_refused_by_the_next_request_of_every_worker_process(
    world: World, ring: Ring, serve: Callable[..., Supervisor]
) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=2)
    assert httpx.post(supervisor.address + PREDICT, content=body(ROW)).status_code == 200
    key, text = ring.add()
    header = {"authorization": f"Bearer {text}"}
    clients = [httpx.Client(base_url=supervisor.address, headers=header) for _ in range(8)]
    assert {client.post(PREDICT, content=body(ROW)).status_code for client in clients} == {200}
    assert httpx.post(supervisor.address + PREDICT, content=body(ROW)).status_code == 401
    ring.revoke(key.id)
    assert {client.post(PREDICT, content=body(ROW)).status_code for client in clients} == {401}


def test_all_workers_together_let_a_key_have_its_rate_and_no_more(
    world: World, ring: Ring, serve: Callable[..., Supervisor]
) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=2)
    _, text = ring.add(rate=0.1, burst=6)
    header = {"authorization": f"Bearer {text}"}
    clients = [httpx.Client(base_url=supervisor.address, headers=header) for _ in range(8)]
    statuses = [client.post(PREDICT, content=body(ROW)).status_code for client in clients for _ in range(2)]
    assert statuses.count(200) == 6
    assert statuses.count(429) == 10
