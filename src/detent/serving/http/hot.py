"""A predict request, whichever way its bytes came in: what does it ask, what goes back.

Both protocols call `Hot.ask` with the same arguments and send the same `Reply`, so `serving.fast_path: off` changes how
long an answer takes and nothing else.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import msgspec
from msgspec.structs import replace

from detent.serving.counts.counters import HTTP, Counters
from detent.serving.formats.blobs import LENGTH_HEADER
from detent.serving.formats.format import Headers, Reply
from detent.serving.formats.pin import is_alone, pinned_reader
from detent.serving.http.manage import cross_origin
from detent.serving.http.paths import Target, hot_targets
from detent.serving.predict.door import Door, Leave, nothing
from detent.serving.predict.endpoints import Endpoint, Endpoints
from detent.serving.predict.gateway import Gateway, reader_of
from detent.serving.predict.tickets import Ticket
from detent.serving.problems import BUG, FieldError, Problem
from detent.serving.rows.answers import Line
from detent.serving.rows.validate import LooseRequest, Request

LOG = logging.getLogger(__name__)
READ = frozenset(
    (
        *(b"authorization", b"accept-encoding", b"content-type", b"x-request-timeout-ms", b"x-request-id"),
        *(b"traceparent", b"origin", b"x-detent-version", LENGTH_HEADER),
    )
)
_WORTH_COMPRESSING = 8 << 10  # bytes
_TIMEOUT, _ID, _TRACE = b"x-request-timeout-ms", b"x-request-id", b"traceparent"
_KEY, _ORIGIN, _VERSION = b"authorization", b"origin", b"x-detent-version"
_UNLOGGED = (b"x-detent-log", b"dropped")
_LONGEST_ID = 128  # characters of a caller's own request id that are kept


class _Asked(msgspec.Struct):
    """What the answer to a request depends on besides its rows."""

    target: Target
    request: Request | LooseRequest
    headers: Headers
    began: float  # perf_counter()
    leave: Leave
    done: Callable[[Reply], None]


class Hot:
    """Answers predict requests of one process."""

    def __init__(
        self,
        gateway: Gateway,
        endpoints: Endpoints,
        counters: Counters,
        door: Door,
        origins: frozenset[bytes] = frozenset(),
    ) -> None:
        """`origins` are the web pages whose scripts may read answers; others' browsers keep them from that."""
        self._gateway, self._endpoints, self._counters = gateway, endpoints, counters
        self._door, self._origins = door, origins
        self._newest, self._versions = endpoints.newest, endpoints.versions
        self._seen = self._generation = -1  # of the endpoints that `_targets` was made of
        self._targets: dict[bytes, Target] = {}
        self.in_flight = 0  # requests that are not answered yet

    def targets(self) -> Mapping[bytes, Target]:
        """Return what each predict path leads to, for the endpoints of the newest routes."""
        if self._newest[0] != self._seen or self._versions.generation != self._generation:
            self._targets = hot_targets(self._endpoints.table())
            self._seen, self._generation = self._endpoints.seen, self._endpoints.generation
        return self._targets

    def ask(self, target: Target, body: bytes, headers: Headers, done: Callable[[Reply], None]) -> Ticket | None:
        """Answer a request; `body` is not compressed.

        `done` is called once, now or in a later turn of the event loop. What is returned is to be marked when the
        sender hangs up; None for a request that was refused.
        """
        began, leave = perf_counter(), nothing
        self.in_flight += 1
        try:
            endpoint = target.endpoint or self._endpoints.find(target.name)
            seconds = self._patience(headers) if _TIMEOUT in headers else self._door.timeout
            ahead = (self.in_flight - 1) * self._gateway.pace
            leave = self._door.enter(endpoint, headers.get(_KEY), seconds, began, self.in_flight, ahead)
            request = self._read(target, endpoint, body, headers)
            name = _request_id(headers) if _ID in headers or _TRACE in headers else ""
            asked = _Asked(target, request, headers, began, leave, done)
            ticket = Ticket(endpoint, began + seconds, name, self._told, asked)
            self._gateway.accept(ticket, request)
            return ticket
        except Problem as raised:
            problem = raised
        except Exception:
            # The edge of the process: a bug of ours must not show a stack trace to a caller, nor end the worker.
            LOG.exception("action=answer endpoint=%s", target.name[:200])
            problem = BUG
        self.in_flight -= 1
        leave()
        done(self.refuse(target, problem, began, headers))
        return None

    def _told(self, ticket: Ticket, answer: Sequence[Line] | Problem) -> None:
        """Send what the gateway says about a request."""
        asked: _Asked = ticket.asked
        target, headers, began = asked.target, asked.headers, asked.began
        asked.leave()
        self.in_flight -= 1
        if isinstance(answer, Problem):
            asked.done(self.refuse(target, answer, began, headers))
            return
        try:
            reply = target.format.write(ticket.endpoint, asked.request, answer)
        except Problem as problem:
            asked.done(self.refuse(target, problem, began, headers))
            return
        except Exception:  # it must not keep the other requests of this turn from their answers
            LOG.exception("action=write endpoint=%s", target.name)
            asked.done(self.refuse(target, BUG, began, headers))
            return
        seconds, counted = perf_counter() - began, (target.name, 0, HTTP)
        if reply.status < 500:
            self._counters.count(counted, seconds)
        else:  # rows without a score, in a protocol that can't say so
            self._counters.count(counted, seconds, error=True)
        if ticket.unlogged:
            reply = replace(reply, headers=(*reply.headers, _UNLOGGED))
        if len(reply.body) >= _WORTH_COMPRESSING or _ID in headers or _ORIGIN in headers:
            reply = _finished(reply, headers, self._origins)
        asked.done(reply)

    def _patience(self, headers: Headers) -> float:
        """Return the seconds that a caller waits who says how long."""
        wanted = _number(headers[_TIMEOUT], _TIMEOUT, "whole milliseconds, such as 500")
        return min(self._door.timeout, wanted / 1000)

    def _read(self, target: Target, endpoint: Endpoint, body: bytes, headers: Headers) -> Request | LooseRequest:
        """Read the rows, and see whether the caller may choose the version if it does."""
        if _VERSION in headers:
            request = self._pinned(target, endpoint, body, headers)
        else:
            request = target.format.read(endpoint, endpoint.reader or reader_of(endpoint), body, headers)
        if request.version is not None and not is_alone(endpoint, request.version):
            self._door.admit_tester(headers.get(_KEY))
        return request

    def _pinned(self, target: Target, endpoint: Endpoint, body: bytes, headers: Headers) -> Request | LooseRequest:
        """Read the rows of a caller who names the version that is to answer."""
        version = _number(headers[_VERSION], _VERSION, "a version's number, such as 3")
        request = target.format.read(endpoint, pinned_reader(endpoint, version), body, headers)
        return replace(request, version=version)

    def refuse(self, target: Target, problem: Problem, began: float, headers: Headers) -> Reply:
        """Return and count the answer to a request that can't be answered as asked."""
        # A caller must not be able to make up label values.
        known = target.name if target.name in self._endpoints.table() else ""
        reply = target.format.refuse(problem)
        self._counters.count(
            (known, 0, HTTP),
            perf_counter() - began,
            error=reply.status >= 500,
            fallback=400 <= reply.status < 500,
        )
        return _finished(reply, headers, self._origins)


def _number(text: bytes, header: bytes, wanted: str) -> int:
    """Return a header's whole number.

    Raises:
        Problem: 400 when it is none.
    """
    if not text.isdigit() or len(text) > 9:
        name = header.decode()
        raise Problem(
            400,
            "bad-header",
            what=f"the header {name} is no number",
            why=f"it is {text[:40].decode('latin-1')!r}; it takes {wanted}",
            fix=f"correct {name}, or leave it out",
            errors=(FieldError(field=name, message=f"it takes {wanted}"),),
        )
    return int(text)


def _request_id(headers: Headers) -> str:
    """Return what the caller calls its request: its own id, or the trace that it belongs to (W3C); "" for neither."""
    given = headers.get(_ID)
    if given is not None:
        return _printable(given)
    parts = headers.get(_TRACE, b"").split(b"-")
    return _printable(parts[1]) if len(parts) == 4 and len(parts[1]) == 32 else ""


def _printable(value: bytes) -> str:
    text = value.decode("latin-1")
    return text if len(text) <= _LONGEST_ID and text.isascii() and text.isprintable() else ""


def _finished(reply: Reply, headers: Headers, origins: frozenset[bytes]) -> Reply:
    """Compress a large answer for who takes that, give the caller's own request id back, and name its web page."""
    body = reply.body
    more: tuple[tuple[bytes, bytes], ...] = ()
    if len(body) >= _WORTH_COMPRESSING and b"gzip" in headers.get(b"accept-encoding", b""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        more = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
    given = headers.get(_ID)
    if given is not None and _printable(given):
        more = (*more, (_ID, given))
    if headers.get(_ORIGIN) in origins:
        more = (*more, *cross_origin(headers[_ORIGIN]))
    return replace(reply, body=body, headers=(*reply.headers, *more)) if more else reply
