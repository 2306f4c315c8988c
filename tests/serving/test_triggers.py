from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from detent.errors import BusyError, RefusedError
from detent.serving.http.triggers import Called
from detent.serving.pages import keyring
from detent.serving.workers.supervisor import Supervisor
from detent.store import ledger
from detent.store.database import Database, open_database
from detent.store.migrate import migrate
from detent.trigger import calls

from .builders import World
from .conftest import Local

Start = Callable[..., Local]
PATH = "/v1/triggers/refresh"


@dataclass(frozen=True)
class Kept:
    id: str
    state: str


class Book:
    """Keeps calls in memory; what the real store does is proved in tests/trigger."""

    def __init__(self) -> None:
        self.calls: list[Called] = []
        self.fails_with: Exception | None = None
        self.state = "accepted"

    def __call__(self, call: Called) -> Kept:
        if self.fails_with is not None:
            raise self.fails_with
        self.calls.append(call)
        return Kept(f"{call.name}-{len(self.calls)}", self.state)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def app(world: World, local: Start, book: Book) -> Local:
    world.route((1, 10_000))
    return local(record_call=book)


def call(app: Local, body: bytes = b"", key: str = "monday", **headers: str) -> httpx.Response:
    return app.ask("POST", PATH, body, **({"idempotency-key": key} if key else {}), **headers)


def kind(answer: httpx.Response) -> str:
    return answer.json()["type"].rpartition(":")[2]


def test_a_call_is_kept_and_gets_a_receipt(app: Local, book: Book) -> None:
    answer = call(app, b'{"why": "new prices"}')
    assert (answer.status_code, answer.json()) == (202, {"call": "refresh-1", "state": "accepted"})
    kept = book.calls[0]
    assert (kept.name, kept.key, kept.caller) == ("refresh", "monday", "api")
    assert kept.body == hashlib.sha256(b'{"why": "new prices"}').hexdigest()


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\tb"])
def test_a_call_without_a_usable_key_is_refused(app: Local, book: Book, key: str) -> None:
    answer = call(app, key=key)
    assert (answer.status_code, kind(answer), book.calls) == (400, "idempotency-key", [])


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 422), (b"1", 422), (b'{"x": "' + b"y" * (1 << 20) + b'"}', 413), (b"{}", 202)],
)
def test_what_is_sent_along_is_a_short_json_object_or_nothing(app: Local, body: bytes, status: int) -> None:
    assert call(app, body).status_code == status


def test_a_known_key_with_another_body_is_a_conflict(app: Local, book: Book) -> None:
    book.state = "conflict"
    answer = call(app, b'{"a": 1}')
    assert (answer.status_code, kind(answer)) == (409, "key-used")


def test_an_unknown_name_is_not_found_and_a_busy_store_asks_to_come_again(app: Local, book: Book) -> None:
    book.fails_with = RefusedError(what="there is no trigger `x`", why="nobody declared it", fix="declare it")
    assert (call(app).status_code, kind(call(app))) == (404, "unknown-trigger")
    book.fails_with = BusyError(what="the database is busy", why="another process writes", fix="wait")
    answer = call(app)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_server_without_a_store_says_so(world: World, local: Start) -> None:
    world.route((1, 10_000))
    assert kind(call(local())) == "no-call-store"


def test_only_keys_with_the_scope_may_call(world: World, local: Start, book: Book, tmp_path: Path) -> None:
    world.route((1, 10_000))
    db = open_database(tmp_path / "keys.db")
    migrate(db, ["detent.store"])
    secrets = {}
    with db.transaction() as tx:
        for scope in ("trigger", "predict", "feedback", "metrics", "manage", "test"):
            wish = keyring.Wish(name=scope, scopes=(scope,))
            key, secrets[scope] = keyring.add(tx, wish, actor="test", now=datetime.now(UTC))
            if scope == "trigger":
                id_ = key.id
    keyring.publish(world.state, db)
    db.close()
    app = local(record_call=book)
    answers = {scope: call(app, authorization=f"Bearer {secret}").status_code for scope, secret in secrets.items()}
    assert answers == {scope: 202 if scope == "trigger" else 403 for scope in secrets}
    assert call(app).status_code == 401
    assert [kept.caller for kept in book.calls] == [f"api:{id_}"]


def stored(world: World) -> Database:
    db = open_database(world.state / "detent.db")
    migrate(db, ["detent.store", "detent.trigger"])
    with db.transaction() as tx:
        calls.declare(tx, "flights", ["refresh"])
    return db


def test_a_hundred_calls_at_once_with_one_key_are_one_call_in_the_store(
    world: World, serve: Callable[..., Supervisor]
) -> None:
    world.route((1, 10_000))
    db = stored(world)
    server = serve(world, entry=(sys.executable, str(Path(__file__).parent / "entry_with_calls.py")))
    url = f"{server.address}{PATH}"
    with httpx.Client(timeout=30.0) as client, ThreadPoolExecutor(16) as pool:
        send = lambda _: client.post(url, headers={"Idempotency-Key": "monday"}, json={"why": "x"})  # noqa: E731
        answers = list(pool.map(send, range(100)))
        other = client.post(url, headers={"Idempotency-Key": "monday"}, json={"why": "y"})
        unknown = client.post(f"{server.address}/v1/triggers/refesh", headers={"Idempotency-Key": "monday"})
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["state"] for answer in answers) == ["accepted"] + ["known"] * 99
    assert {answer.json()["call"] for answer in answers} == {"refresh-1"}
    assert (other.status_code, unknown.status_code) == (409, 404)
    assert "did you mean" in unknown.json()["detail"] or "refresh" in unknown.json()["detail"]
    waiting = calls.waiting(db, "flights")  # no controller runs: the call waits for the next one
    assert [one.id for one in waiting] == ["refresh-1"]
    assert [event.kind for event in ledger.read(db)] == ["trigger.called"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(waiting[0].at)) < timedelta(minutes=5)
    db.close()
