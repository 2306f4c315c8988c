"""Two doors to one application: the public port, and the port of those who run the server.

On the public port, what is for them is not there at all. Pages of other origins may use it only when they are listed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from detent.serving.http.paths import match
from detent.serving.problems import MEDIA_TYPE, Problem, render

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_ALLOW = b"access-control-allow-origin"
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, x-request-id, x-request-timeout-ms, traceparent"),
    (b"access-control-max-age", b"600"),
)


class Public:
    """The application as the public port shows it."""

    def __init__(self, app: Application, *, hidden: frozenset[str], origins: frozenset[bytes]) -> None:
        """`hidden`: rules' accesses that are not answered here; `origins`: `https://host[:port]` of web pages."""
        self._app, self._hidden, self._origins = app, hidden, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin in self._origins and origin is not None:
            if scope["method"] == "OPTIONS":
                await _send(send, 204, b"", (*cross_origin(origin), *_PREFLIGHT))
                return
            send = _naming(origin, send)
        if self._hidden and self._hides(scope):
            problem = Problem(
                404,
                "unknown-path",
                what="there is nothing at this path",
                why="on this port it is not answered",
                fix="ask on the management port (`serving.manage` in detent.yaml)",
            )
            await _send(send, 404, render(problem), ((b"content-type", MEDIA_TYPE),))
            return
        await self._app(scope, receive, send)

    def _hides(self, scope: Scope) -> bool:
        try:
            return match(scope["method"], scope["path"])[0].access in self._hidden
        except Problem:
            return False  # the application says what is wrong


def cross_origin(origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers with which a browser lets a page of this origin read the answer."""
    return (_ALLOW, origin), (b"vary", b"origin")


def _naming(origin: bytes, send: Send) -> Send:
    async def named(message: Message) -> None:
        if message["type"] == "http.response.start" and all(name != _ALLOW for name, _ in message["headers"]):
            message = {**message, "headers": [*message["headers"], *cross_origin(origin)]}
        await send(message)

    return named


async def _send(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    heads = [(b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": heads})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """uvicorn's server with a second, plain listener for the management port; both end together."""

    def __init__(self, config: uvicorn.Config, manage: uvicorn.Config | None, listener: socket.socket | None) -> None:
        super().__init__(config)
        self._manage, self._listener = manage, listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on both ports."""
        await super().startup(sockets)
        config, listener = self._manage, self._listener
        if config is None or listener is None or self.should_exit:
            return
        config.load()
        kind: Any = config.http_protocol_class

        def connection() -> asyncio.Protocol:
            return kind(config=config, server_state=self.server_state, app_state=self.lifespan.state)

        self.servers.append(await asyncio.get_running_loop().create_server(connection, sock=listener, backlog=128))
