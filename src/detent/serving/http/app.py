"""The usual way of a request: who may ask, and how bytes come in and go out. Plain ASGI, no framework.

A request that no rule of `paths.ROUTES` allows gets no further than this file.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from detent.serving.counts.counters import HTTP, Counters
from detent.serving.counts.metrics import exposition
from detent.serving.formats.format import JSON, Reply
from detent.serving.formats.v1 import V1
from detent.serving.http import metadata
from detent.serving.http.bodies import read_body
from detent.serving.http.feedback import RecordLabels, keep, read_labels, receipt
from detent.serving.http.hot import READ, Hot
from detent.serving.http.openapi import document
from detent.serving.http.paths import PUBLIC, TRIGGER, Rule, Target, aim, match, version_in
from detent.serving.http.triggers import KEY, RecordCall, keep_call, no_calls_here, read_call
from detent.serving.identifiers import PredictionIds
from detent.serving.pages.keys import EVERYTHING, Grant, Keys
from detent.serving.predict.door import limited
from detent.serving.predict.endpoints import Endpoints
from detent.serving.problems import BUG, Problem, unavailable
from detent.store.clock import Clock

LOG = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TEXT = CONTENT_TYPE_LATEST.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the HTTP side works with."""

    hot: Hot
    endpoints: Endpoints
    counters: Counters
    counter_folder: Path
    ids: PredictionIds
    clock: Clock
    record_labels: RecordLabels | None  # None: labels are kept elsewhere
    keys: Keys
    record_call: RecordCall | None = None  # None: calls of triggers are kept elsewhere


class Asked(NamedTuple):
    """What the path of a GET request names."""

    name: str  # of an endpoint, or ""
    version: int | None


class App:
    """The ASGI application of one worker."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Labels go to a database that may make its caller wait, so they have a thread; one, so that they queue up there
        # and not at the database's lock.
        self._labels = ThreadPoolExecutor(max_workers=1, thread_name_prefix="labels")
        endpoints = parts.endpoints
        self._answers: dict[str, Callable[[Asked], Reply]] = {
            "/v2": lambda _: metadata.server(),
            "/v2/health/live": lambda _: metadata.live(),
            "/v2/health/ready": lambda _: metadata.ready(endpoints),
            "/v2/models/{endpoint}": lambda asked: metadata.model(endpoints, asked.name, asked.version),
            "/v2/models/{endpoint}/ready": lambda asked: metadata.model_ready(endpoints, asked.name, asked.version),
            "/ping": lambda _: metadata.ping(endpoints),
            "/health": lambda _: metadata.ping(endpoints),
            "/version": lambda _: metadata.scoring_version(),
            "/openapi.json": self._openapi,
            "/healthz": lambda _: Reply(200, JSON, b'{"status":"alive"}'),
            "/readyz": self._readyz,
            "/metrics": lambda _: Reply(200, _TEXT, exposition(parts.counter_folder)),
        }
        for about in ("", "/ready"):
            self._answers["/v2/models/{endpoint}/versions/{version}" + about] = self._answers[
                "/v2/models/{endpoint}" + about
            ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1003})
            return
        began, refuse = perf_counter(), V1().refuse
        try:
            rule, names = match(scope["method"], scope["path"])
            refuse = rule.format.refuse
            if rule.hot:
                await self._predict(rule, names, scope, receive, send)
                return
            grant = EVERYTHING
            if rule.access != PUBLIC:
                grant = self._admit(_wanted(scope).get(b"authorization"), rule.access, names.get("endpoint", ""))
            body = await read_body(scope, receive) if rule.method == "POST" else b""
            if body is None:
                return  # the caller has hung up
            if rule.access == TRIGGER:
                reply = await self._called(names["name"], scope, body, grant)
            elif rule.method == "POST":
                reply = await self._feedback(body)
            else:
                reply = self._answers[rule.path](Asked(names.get("endpoint", ""), version_in(names)))
        except Problem as problem:
            reply = refuse(problem)
        except Exception:
            # The edge of the process: a bug of ours must not show a stack trace to a caller, nor end the worker.
            LOG.exception("action=answer path=%s", scope["path"][:200])
            reply = refuse(BUG)
        await _send(send, reply)
        self._parts.counters.count(
            ("", 0, HTTP),
            perf_counter() - began,
            error=reply.status >= 500,
            fallback=400 <= reply.status < 500,
        )

    async def _predict(self, rule: Rule, names: Mapping[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        hot, headers, began = self._parts.hot, _wanted(scope), perf_counter()
        target = Target(names.get("endpoint", ""), rule.format)
        try:
            self._parts.keys.authorise(headers.get(b"authorization"))
            target = aim(rule, names, self._parts.endpoints.table().keys())
            body = await read_body(scope, receive)
        except Problem as problem:
            await _send(send, hot.refuse(target, problem, began, headers))
            return
        if body is None:
            return  # the caller has hung up
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        hot.ask(target, body, headers, partial(_set, answered))
        await _send(send, await answered)

    def _admit(self, header: bytes | None, scope: str, endpoint: str) -> Grant:
        """Let a request pass that is no prediction; it counts towards the rate of its key too."""
        grant = self._parts.keys.authorise(header, scope, endpoint)
        meter = grant.meter
        seconds = meter.take(perf_counter()) if meter is not None else 0.0
        if seconds:
            raise limited("rate-limited", "the key may not send requests that fast", seconds)
        return grant

    def close(self) -> None:
        """Let labels that are being stored finish."""
        self._labels.shutdown(wait=True)

    async def _feedback(self, body: bytes) -> Reply:
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
            classes = {name for endpoint in parts.endpoints.table().values() for name in endpoint.classes}
            sent = read_labels(body, parts.ids, parts.clock.now(), sorted(classes))
        except Problem as problem:
            if problem.status == 404:
                parts.counters.add("labels_unknown")
            raise
        totals = await asyncio.get_running_loop().run_in_executor(self._labels, keep, record, sent.labels)
        return Reply(200, JSON, receipt(totals, sent, parts.counters))

    async def _called(self, name: str, scope: Scope, body: bytes, grant: Grant) -> Reply:
        parts = self._parts
        if parts.record_call is None:
            raise no_calls_here()
        header = next((value for key, value in scope["headers"] if key == KEY), None)
        caller = f"api:{grant.id}" if grant.id else "api"
        call = read_call(name, header, body, caller=caller, at=parts.clock.now())
        said = await asyncio.get_running_loop().run_in_executor(self._labels, keep_call, parts.record_call, call)
        return Reply(202, JSON, said)

    def _openapi(self, _: Asked) -> Reply:
        keys = not self._parts.keys.allows(None)
        return Reply(200, JSON, msgspec.json.encode(document(self._parts.endpoints.table(), keys=keys)))

    def _readyz(self, _: Asked) -> Reply:
        missing = self._parts.endpoints.missing()
        body = msgspec.json.encode({"status": "waiting" if missing else "ready", "missing": missing})
        return Reply(503 if missing else 200, JSON, body)


def _wanted(scope: Scope) -> dict[bytes, bytes]:
    return {name: value for name, value in scope["headers"] if name in READ}


def _set(answered: asyncio.Future[Reply], reply: Reply) -> None:
    if not answered.done():  # the caller has hung up, and nobody waits any more
        answered.set_result(reply)


async def _send(send: Send, reply: Reply) -> None:
    headers = [(b"content-type", reply.kind), (b"content-length", str(len(reply.body)).encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
