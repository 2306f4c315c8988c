"""The HTTP side: which path is what, who may ask, and how bytes come in and go out. Plain ASGI, no framework.

Every path stands in ROUTES with its rule; a request that no rule allows gets no further than this file.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from detent.errors import did_you_mean
from detent.serving.bodies import read_body
from detent.serving.counters import HTTP, Counters
from detent.serving.endpoints import Endpoints
from detent.serving.feedback import RecordLabels, keep, read_labels, receipt
from detent.serving.gateway import Gateway
from detent.serving.identifiers import PredictionIds
from detent.serving.metrics import exposition
from detent.serving.problems import MEDIA_TYPE, Problem, render, unavailable
from detent.store.clock import Clock, iso

LOG = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PUBLIC, PREDICT, METRICS = "public", "predict", "metrics"
_PREFIX, _SUFFIX = "/v1/models/", ":predict"
_JSON, _TEXT = b"application/json", CONTENT_TYPE_LATEST.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One path that this server answers."""

    method: str
    path: str  # `{endpoint}` stands for a name
    access: str  # public: anybody; predict, metrics: the API key, when one is set


ROUTES = (
    Rule(method="POST", path="/v1/models/{endpoint}:predict", access=PREDICT),
    Rule(method="POST", path="/feedback", access=PREDICT),
    Rule(method="GET", path="/healthz", access=PUBLIC),
    Rule(method="GET", path="/readyz", access=PUBLIC),
    Rule(method="GET", path="/metrics", access=METRICS),
)
_PREDICT_RULE = ROUTES[0]
_FIXED = {rule.path: rule for rule in ROUTES[1:]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the HTTP side works with."""

    gateway: Gateway
    endpoints: Endpoints
    counters: Counters
    counter_folder: Path
    ids: PredictionIds
    clock: Clock
    record_labels: RecordLabels | None  # None: labels are kept elsewhere
    api_key_digest: str | None  # sha256, hex


class App:
    """The ASGI application of one worker."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Labels go to a database that may make its caller wait, so they have a thread; one, so that they queue up there
        # and not at the database's lock.
        self._labels = ThreadPoolExecutor(max_workers=1, thread_name_prefix="labels")
        self._answers: dict[str, Callable[[bytes], Awaitable[tuple[int, bytes, bytes]]]] = {
            "/feedback": self._feedback,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1003})
            return
        began = perf_counter()
        name = ""  # the endpoint, once it is known to exist
        extra: tuple[tuple[bytes, bytes], ...] = ()
        try:
            rule, endpoint = match(scope["method"], scope["path"])
            self._authorise(rule, scope)
            body = await read_body(scope, receive) if rule.method == "POST" else b""
            if body is None:
                return  # the caller has hung up
            if rule is _PREDICT_RULE:
                status, kind, answer = 200, _JSON, self._parts.gateway.predict(endpoint, body)
                name = endpoint
            else:
                status, kind, answer = await self._answers[rule.path](body)
        except Problem as problem:
            status, kind, answer, extra = problem.status, MEDIA_TYPE, render(problem), problem.headers
            name = self._known(scope["path"])
        except Exception:
            # The edge of the process: a bug of ours must not show a stack trace to a caller, nor end the worker.
            LOG.exception("action=answer path=%s", scope["path"][:200])
            status, kind, answer = 500, MEDIA_TYPE, render(_BUG)
        await _send(send, status, kind, answer, extra)
        self._parts.counters.count(
            (name, 0, HTTP), seconds=perf_counter() - began, error=status >= 500, fallback=400 <= status < 500
        )

    def close(self) -> None:
        """Let labels that are being stored finish."""
        self._labels.shutdown(wait=True)

    def _authorise(self, rule: Rule, scope: Scope) -> None:
        expected = self._parts.api_key_digest
        if rule.access == PUBLIC or expected is None:
            return
        given = next((value for key, value in scope["headers"] if key == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(sha256(token.strip()).hexdigest(), expected):
            return
        self._parts.counters.add("unauthorised")
        raise Problem(
            401,
            "unauthorised",
            what="this path needs an API key",
            why="the Authorization header is missing or its key is not the one of this server",
            fix="send `Authorization: Bearer <key>`",
            headers=((b"www-authenticate", b"Bearer"),),
        )

    def _known(self, path: str) -> str:
        """Return the endpoint a path names if it exists: a caller must not be able to make up label values."""
        name = path[len(_PREFIX) : -len(_SUFFIX)]
        return name if name in self._parts.endpoints.table() else ""

    async def _feedback(self, body: bytes) -> tuple[int, bytes, bytes]:
        parts = self._parts
        record = parts.record_labels
        if record is None:
            raise unavailable(
                "no-label-store",
                what="this server keeps no labels",
                why="it was started without a label store",
                fix="send labels to the server that `detent up` starts",
            )
        try:
            labels = read_labels(body, parts.ids, iso(parts.clock.now()))
        except Problem as problem:
            if problem.status == 404:
                parts.counters.add("labels_unknown")
            raise
        totals = await asyncio.get_running_loop().run_in_executor(self._labels, keep, record, labels)
        return 200, _JSON, receipt(totals, parts.counters)

    async def _healthz(self, _body: bytes) -> tuple[int, bytes, bytes]:
        return 200, _JSON, b'{"status":"alive"}'

    async def _readyz(self, _body: bytes) -> tuple[int, bytes, bytes]:
        missing = self._parts.endpoints.missing()
        body = msgspec.json.encode({"status": "waiting" if missing else "ready", "missing": missing})
        return (503 if missing else 200), _JSON, body

    async def _metrics(self, _body: bytes) -> tuple[int, bytes, bytes]:
        return 200, _TEXT, exposition(self._parts.counter_folder)


def match(method: str, path: str) -> tuple[Rule, str]:
    """Return the rule for a request and the endpoint that the path names ("" when it names none).

    Raises:
        Problem: 404 for an unknown path, 405 for another method.
    """
    if path.startswith(_PREFIX) and path.endswith(_SUFFIX):
        rule, endpoint = _PREDICT_RULE, path[len(_PREFIX) : -len(_SUFFIX)]
    else:
        known, endpoint = _FIXED.get(path), ""
        if known is None:
            raise Problem(
                404,
                "unknown-path",
                what="there is nothing at this path",
                why=f"the server knows no path `{path[:100]}`",
                fix=did_you_mean(path[:100], tuple(rule.path for rule in ROUTES)),
            )
        rule = known
    if method != rule.method:
        raise Problem(
            405,
            "wrong-method",
            what=f"{method[:20]} is not answered here",
            why=f"`{rule.path}` takes {rule.method}",
            fix=f"send a {rule.method} request",
            headers=((b"allow", rule.method.encode()),),
        )
    return rule, endpoint


async def _send(send: Send, status: int, kind: bytes, body: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_BUG = Problem(
    500,
    "internal",
    what="the server made a mistake",
    why="an error that nobody foresaw; the server's log has the details",
    fix="report it as a bug, with the request and that part of the log",
)
