"""The usual way of a request: who may ask, and how bytes come in and go out. Plain ASGI, no framework.

A request that no rule of `paths.ROUTES` allows gets no further than this file.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from detent.serving.bodies import read_body
from detent.serving.counters import HTTP, Counters
from detent.serving.endpoints import Endpoints
from detent.serving.feedback import RecordLabels, keep, read_labels, receipt
from detent.serving.formats.format import JSON, Reply
from detent.serving.hot import READ, Hot, Target
from detent.serving.identifiers import PredictionIds
from detent.serving.keys import Keys
from detent.serving.metrics import exposition
from detent.serving.paths import PUBLIC, match
from detent.serving.problems import BUG, MEDIA_TYPE, Problem, render, unavailable
from detent.store.clock import Clock, iso

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
        try:
            rule, names = match(scope["method"], scope["path"])
            if rule.format is not None:
                await self._predict(Target(names.get("endpoint", ""), rule.format), scope, receive, send)
                return
            if rule.access != PUBLIC:
                self._parts.keys.authorise(_wanted(scope).get(b"authorization"))
            body = await read_body(scope, receive) if rule.method == "POST" else b""
            if body is None:
                return  # the caller has hung up
            reply = Reply(*await self._answers[rule.path](body))
        except Problem as problem:
            reply = Reply(problem.status, MEDIA_TYPE, render(problem), problem.headers)
        except Exception:
            # The edge of the process: a bug of ours must not show a stack trace to a caller, nor end the worker.
            LOG.exception("action=answer path=%s", scope["path"][:200])
            reply = Reply(500, MEDIA_TYPE, render(BUG))
        await _send(send, reply)
        self._parts.counters.count(
            ("", 0, HTTP),
            seconds=perf_counter() - began,
            error=reply.status >= 500,
            fallback=400 <= reply.status < 500,
        )

    async def _predict(self, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        hot, headers, began = self._parts.hot, _wanted(scope), perf_counter()
        try:
            self._parts.keys.authorise(headers.get(b"authorization"))
            body = await read_body(scope, receive)
        except Problem as problem:
            await _send(send, hot.refuse(target, problem, began, headers))
            return
        if body is None:
            return  # the caller has hung up
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        hot.ask(target, body, headers, partial(_set, answered))
        await _send(send, await answered)

    def close(self) -> None:
        """Let labels that are being stored finish."""
        self._labels.shutdown(wait=True)

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
        return 200, JSON, receipt(totals, parts.counters)

    async def _healthz(self, _body: bytes) -> tuple[int, bytes, bytes]:
        return 200, JSON, b'{"status":"alive"}'

    async def _readyz(self, _body: bytes) -> tuple[int, bytes, bytes]:
        missing = self._parts.endpoints.missing()
        body = msgspec.json.encode({"status": "waiting" if missing else "ready", "missing": missing})
        return (503 if missing else 200), JSON, body

    async def _metrics(self, _body: bytes) -> tuple[int, bytes, bytes]:
        return 200, _TEXT, exposition(self._parts.counter_folder)


def _wanted(scope: Scope) -> dict[bytes, bytes]:
    return {name: value for name, value in scope["headers"] if name in READ}


def _set(answered: asyncio.Future[Reply], reply: Reply) -> None:
    if not answered.done():  # the caller has hung up, and nobody waits any more
        answered.set_result(reply)


async def _send(send: Send, reply: Reply) -> None:
    headers = [(b"content-type", reply.kind), (b"content-length", str(len(reply.body)).encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
