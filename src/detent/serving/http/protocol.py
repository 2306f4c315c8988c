"""HTTP with the predict routes answered inside the protocol: no scope, no task, no messages between callbacks.

A request takes the short way when it is a plainly framed POST to a predict path by a caller with a good key; everything
else goes the usual way through uvicorn and the ASGI application, in the same process and on the same connection. Both
ways end in `Hot.ask`. Limits that uvicorn lacks (size and time of headers, a reader that does not read) hold on both.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from collections import deque
from typing import Any, ClassVar, Protocol

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from detent.serving.formats.format import Headers, Reply
from detent.serving.http.bodies import MAX_BODY, MAX_SECONDS, too_slow
from detent.serving.http.heads import END, Heads
from detent.serving.http.hot import READ, Hot, Target
from detent.serving.pages.keys import Keys
from detent.serving.predict.tickets import Ticket
from detent.serving.problems import MEDIA_TYPE, Problem, render

MAX_HEADERS = 64 << 10  # bytes of a request line and its headers
HEADER_SECONDS = 10.0  # from a request's first byte to the end of its headers
MAX_PIPELINED = 64  # requests of one connection that wait for their answers, above which no more are read
LINGER = 1.0  # seconds that a server which stops keeps idle connections open, for requests that are on their way
LAST_LOOK = 0.05  # seconds more: a process that stood still for the whole time reads what came meanwhile
# Headers that are looked at: those that answers depend on, and those that (with a large body) ask for the usual way.
_NOTED = READ | {b"content-length", b"expect", b"upgrade", b"content-encoding", b"transfer-encoding", b"connection"}


_HEADERS_TOO_LARGE = Problem(
    431,
    "headers-too-large",
    what="the headers are too large",
    why=f"the request line and the headers have more than {MAX_HEADERS:,} bytes",
    fix="send fewer or shorter headers; rows belong into the body",
)


class Process(Protocol):
    """What is asked of the server that connections belong to; uvicorn's has it."""

    should_exit: bool


class _NoEvent:
    def set(self) -> None:
        """Nobody waits."""


class _Pending(msgspec.Struct, eq=False):
    """A request on the short way. uvicorn takes it for one of its own and queues what comes next behind it."""

    message_event: ClassVar[_NoEvent] = _NoEvent()

    connection: FastProtocol
    keep_alive: bool
    response_complete: bool = False
    disconnected: bool = False
    reply: Reply | None = None
    ticket: Ticket | None = None

    def answer(self, reply: Reply) -> None:
        """Take the answer."""
        self.reply = reply
        self.connection.send_answers()


class FastProtocol(HttpToolsProtocol):
    """One connection. `hot`, `keys`, `heads`, `fast` and `process` are set on a subclass, once per process."""

    parser: Any  # httptools'
    hot: Hot
    keys: Keys
    heads: Heads
    fast: bool  # False: every request goes the usual way
    process: Process  # the server
    defaults: ClassVar[object] = None  # headers of every answer as they were last written out,
    begins: ClassVar[dict[tuple[int, bytes], bytes]] = {}  # and how answers of a status and a kind begin with them

    # Python finds attributes fast in slots, and in the dictionary of an object that has no more than thirty there.
    __slots__ = (
        *("_answered", "_begun", "_between", "_connection", "_fed", "_head_bytes", "_heads", "_idle", "_in_body"),
        *("_in_head", "_odd", "_parts", "_refused", "_target", "_timer", "_waiting", "_wanted"),
    )

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._target: Target | None = None  # of the message that is being read, when it takes the short way
        self._wanted: dict[bytes, bytes] = {}
        self._heads: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0  # of the message's head, in reads before this one
        self._fed = 0  # bytes of this read
        self._parts: list[bytes] = []
        self._in_head = self._in_body = False
        self._waiting: deque[_Pending] = deque()
        self._timer: TimerHandle | None = None  # for the message that is being read
        self._idle: TimerHandle | None = None
        self._answered = 0.0  # loop time of the last answer on the short way
        self._odd = False  # a header of the message asks for the usual way
        self._connection = False  # the message has a header of that name
        self._refused = False  # the connection ends; what still arrives is not looked at
        self._between = True  # the parser has read whole messages only, and the last one took the short way
        self._begun = 0  # messages that begin in this read

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin; a caller that never asks anything is let go like one that asks nothing more."""
        super().connection_made(transport)
        self._answered = self.loop.time()
        self._idle = self.loop.call_later(self.timeout_keep_alive, self._look_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what nobody waits for any more."""
        for pending in self._waiting:
            pending.disconnected = True
            if pending.ticket is not None:
                pending.ticket.gone = True
        for timer in (self._timer, self._idle):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read requests. One that is not complete yet gets a timer; most arrive in one piece and need none."""
        fresh = self._between
        if fresh:
            end = data.find(END) + 4
            head = self.heads.known.get(data[:end])
            if head is not None and len(data) == end + head.length:  # one whole request, nothing before or after it
                target = self.hot.targets().get(head.url)
                if target is not None and self._is_next():
                    self._ask(target, data[end:], head.wanted, keep_alive=not self.process.should_exit)
                    return
        if self._refused:
            return
        self._fed, self._begun = len(data), 0
        super().data_received(data)
        if fresh and self._between and self._begun == 1:
            self.heads.remember(data, self.url, self._wanted, sum(map(len, self._parts)))
        if self._in_head or self._in_body:
            self._head_bytes += len(data)
            if self._in_head and self._head_bytes > MAX_HEADERS:
                self._refuse(_HEADERS_TOO_LARGE)
            elif self._timer is None:
                seconds = HEADER_SECONDS if self._in_head else MAX_SECONDS
                self._timer = self.loop.call_later(seconds, self._too_slow)
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self.url = b""
        self._target, self._wanted, self._heads, self._parts = None, {}, [], []
        self._head_bytes, self._in_head, self._odd, self._connection = 0, True, False, False
        self._between = False
        self._begun += 1

    def on_url(self, url: bytes) -> None:
        """Take a part of the request line."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        name = name.lower()
        self._heads.append((name, value))
        if name in _NOTED:
            if name in READ:
                self._wanted[name] = value
            elif name == b"connection":
                self._connection = True
            elif name != b"content-length" or int(value) > MAX_BODY:
                self._odd = True

    def on_headers_complete(self) -> None:
        """Choose the way of the request."""
        self._in_head = False
        if self._timer is not None:  # for the headers; a body gets another one
            self._timer.cancel()
            self._timer = None
        if self._head_bytes + self._fed > MAX_HEADERS and self._head_size() > MAX_HEADERS:
            self._refuse(_HEADERS_TOO_LARGE)
        if self._refused:
            return
        target = self.hot.targets().get(self.url) if self.fast else None
        # Without a good key the usual way refuses at once: the body is not collected.
        plain = target is not None and not self._odd and self.parser.get_method() == b"POST"
        if plain and self._is_next() and self.keys.allows(self._wanted.get(b"authorization")):
            self._target, self._in_body = target, True
            return
        url = self.url
        super().on_message_begin()  # which empties both
        self.url = url
        self.headers.extend(self._heads)
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in self._heads
        )
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._target is not None:
            self._parts.append(body)
        elif not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer, or hand the request to the application."""
        target = self._target
        if target is None:
            if not self._refused:
                super().on_message_complete()
            return
        target = self.hot.targets().get(self.url, target._replace(endpoint=None))  # as it is by now
        self._in_body = False
        self._between = keep_alive = self._keeps_alive()
        parts = self._parts
        self._ask(target, parts[0] if len(parts) == 1 else b"".join(parts), self._wanted, keep_alive=keep_alive)

    def pause_writing(self) -> None:
        """Read no more from a caller that does not read its answers."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        super().resume_writing()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """Answer what is here and on its way; idle connections stay a moment for requests that were sent already."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            self.loop.call_later(LINGER, self.loop.call_later, LAST_LOOK, self._close_idle)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self._heads)

    def _is_next(self) -> bool:
        """True for a request with nothing but short requests before it."""
        before = self.cycle
        return not self.pipeline and (before is None or before.response_complete or type(before) is _Pending)

    def _ask(self, target: Target, body: bytes, headers: Headers, *, keep_alive: bool) -> None:
        self.cycle = pending = _Pending(self, keep_alive)  # type: ignore[assignment]
        self._waiting.append(pending)
        if len(self._waiting) > MAX_PIPELINED:
            self.flow.pause_reading()
        pending.ticket = self.hot.ask(target, body, headers, pending.answer)

    def _keeps_alive(self) -> bool:
        if self.process.should_exit or not self.parser.should_keep_alive():
            return False
        # Kept alive without a header that asks for it: HTTP/1.1 for certain. uvicorn keeps no HTTP/1.0 connection.
        return not self._connection or self.parser.get_http_version() != "1.0"

    def send_answers(self) -> None:
        """Send each answer that is there once all before it were sent."""
        waiting = self._waiting
        while waiting and waiting[0].reply is not None:
            self._send(waiting.popleft())
        if waiting or self.transport.is_closing():
            return
        self._answered = self.loop.time()
        if self.pipeline:
            super().on_response_complete()  # starts what uvicorn has queued behind
        elif self.flow.read_paused and not self.flow.write_paused:
            self.flow.resume_reading()

    def _send(self, pending: _Pending) -> None:
        reply = pending.reply
        pending.response_complete = True
        if reply is None or pending.disconnected or self.transport.is_closing():
            return
        server = self.server_state
        server.total_requests += 1
        if FastProtocol.defaults is not server.default_headers:  # uvicorn renews them (the date) each second
            FastProtocol.defaults = server.default_headers
            FastProtocol.begins.clear()
        begin = FastProtocol.begins.get((reply.status, reply.kind)) or self._begin(reply)
        body = reply.body
        if pending.keep_alive and not reply.headers:
            self.transport.write(b"%b%d\r\n\r\n%b" % (begin, len(body), body))
            return
        more = [b"%b: %b\r\n" % header for header in reply.headers]
        if not pending.keep_alive:
            more.append(b"connection: close\r\n")
        self.transport.write(b"%b%d\r\n%b\r\n%b" % (begin, len(body), b"".join(more), body))
        if not pending.keep_alive:
            self.transport.close()

    def _begin(self, reply: Reply) -> bytes:
        """Return how answers like this one begin, up to their length."""
        common = b"".join([b"%b: %b\r\n" % one for one in self.server_state.default_headers])
        begin = b"%b%bcontent-type: %b\r\ncontent-length: " % (STATUS_LINE[reply.status], common, reply.kind)
        FastProtocol.begins[reply.status, reply.kind] = begin
        return begin

    def _too_slow(self) -> None:
        self._timer = None
        self._refuse(too_slow(HEADER_SECONDS if self._in_head else MAX_SECONDS))

    def _refuse(self, problem: Problem) -> None:
        """Answer a request that is not complete, and end the connection."""
        if self._refused or self.transport.is_closing():
            return
        self._refused, self._in_head, self._in_body, self._between = True, False, False, False
        before = self.cycle
        if not (before is None or before.response_complete or isinstance(before, _Pending)):
            before.keep_alive = False  # its answer is still to come, and ends the connection
            return
        pending = _Pending(self, keep_alive=False)
        self._waiting.append(pending)
        pending.answer(Reply(problem.status, MEDIA_TYPE, render(problem)))

    def _look_idle(self) -> None:
        """Close a connection on which nothing was asked for long. Looked at now and then: no request has a timer."""
        busy = bool(self._waiting) or self.timeout_keep_alive_task is not None
        busy = busy or (self.cycle is not None and not self.cycle.response_complete)
        left = self.timeout_keep_alive - (0.0 if busy else self.loop.time() - self._answered)
        if left <= 0:
            self.transport.close()
        else:
            self._idle = self.loop.call_later(max(1.0, left), self._look_idle)

    def _close_idle(self) -> None:
        if (
            (self.cycle is None or self.cycle.response_complete)
            and not self._in_body
            and not self.transport.is_closing()
        ):
            self.transport.close()
