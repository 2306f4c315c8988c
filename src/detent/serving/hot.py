"""A predict request, whichever way its bytes came in: what does it ask, what goes back.

Both protocols call `Hot.ask` with the same arguments and send the same `Reply`, so `serving.fast_path: off` changes how
long an answer takes and nothing else.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple

from detent.serving.answers import Line
from detent.serving.counters import HTTP, Counters
from detent.serving.endpoints import Endpoints
from detent.serving.formats.format import Format, Headers, Reply
from detent.serving.gateway import Gateway, reader_of
from detent.serving.paths import ROUTES
from detent.serving.problems import BUG, FieldError, Problem
from detent.serving.tickets import Ticket

LOG = logging.getLogger(__name__)
READ = frozenset(
    (b"authorization", b"accept-encoding", b"content-type", b"x-request-timeout-ms", b"x-request-id", b"traceparent")
)
LONGEST_SECONDS = 30.0  # that a caller may wait, whatever it asks for
_WORTH_COMPRESSING = 8 << 10  # bytes
_TIMEOUT, _ID, _TRACE = b"x-request-timeout-ms", b"x-request-id", b"traceparent"
_LONGEST_ID = 128  # characters of a caller's own request id that are kept


class Target(NamedTuple):
    """Where a predict request goes."""

    name: str  # endpoint
    format: Format


class Hot:
    """Answers predict requests of one process."""

    def __init__(self, gateway: Gateway, endpoints: Endpoints, counters: Counters) -> None:
        self._gateway, self._endpoints, self._counters = gateway, endpoints, counters
        self._seen: object = None
        self._targets: dict[bytes, Target] = {}

    def targets(self) -> Mapping[bytes, Target]:
        """Return what each predict path leads to, for the endpoints of the newest routes."""
        table = self._endpoints.table()
        if table is not self._seen:
            self._targets = {
                rule.path.replace("{endpoint}", name).encode(): Target(name, rule.format)
                for rule in ROUTES
                if rule.format is not None
                for name in table
            }
            self._seen = table
        return self._targets

    def ask(self, target: Target, body: bytes, headers: Headers, done: Callable[[Reply], None]) -> None:
        """Answer a request by somebody who may ask; `body` is not compressed.

        `done` is called once, now or in a later turn of the event loop.
        """
        began = perf_counter()
        try:
            endpoint = self._endpoints.find(target.name)
            seconds = _seconds(headers[_TIMEOUT]) if _TIMEOUT in headers else LONGEST_SECONDS
            request = target.format.read(endpoint, reader_of(endpoint), body, headers)

            def answered(answer: Sequence[Line] | Problem) -> None:
                if isinstance(answer, Problem):
                    done(self.refuse(target, answer, began, headers))
                    return
                reply = target.format.write(endpoint, request, answer)
                self._counters.count((target.name, 0, HTTP), seconds=perf_counter() - began)
                done(_finished(reply, headers))

            ticket = Ticket(endpoint, began + seconds, _request_id(headers) if headers else "", answered)
            self._gateway.accept(ticket, request)
        except Problem as problem:
            done(self.refuse(target, problem, began, headers))
        except Exception:
            # The edge of the process: a bug of ours must not show a stack trace to a caller, nor end the worker.
            LOG.exception("action=answer endpoint=%s", target.name[:200])
            done(self.refuse(target, BUG, began, headers))

    def refuse(self, target: Target, problem: Problem, began: float, headers: Headers) -> Reply:
        """Return and count the answer to a request that can't be answered as asked."""
        # A caller must not be able to make up label values.
        known = target.name if target.name in self._endpoints.table() else ""
        reply = target.format.refuse(problem)
        self._counters.count(
            (known, 0, HTTP),
            seconds=perf_counter() - began,
            error=reply.status >= 500,
            fallback=400 <= reply.status < 500,
        )
        return _finished(reply, headers)


def _seconds(text: bytes) -> float:
    """Return how long the caller waits.

    Raises:
        Problem: 400 for a header that is no number of milliseconds.
    """
    if not text.isdigit() or len(text) > 9:
        raise Problem(
            400,
            "bad-header",
            what="the header x-request-timeout-ms is no number",
            why=f"it is {text[:40].decode('latin-1')!r}; whole milliseconds are expected",
            fix="send for example `x-request-timeout-ms: 500`, or leave the header out",
            errors=(FieldError(field=_TIMEOUT.decode(), message="it must be whole milliseconds"),),
        )
    return min(LONGEST_SECONDS, int(text) / 1000)


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


def _finished(reply: Reply, headers: Headers) -> Reply:
    """Compress a large answer for who takes that, and give the caller's own request id back."""
    body = reply.body
    if len(body) < _WORTH_COMPRESSING and _ID not in headers:
        return reply
    more: tuple[tuple[bytes, bytes], ...] = ()
    if len(body) >= _WORTH_COMPRESSING and b"gzip" in headers.get(b"accept-encoding", b""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        more = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
    given = headers.get(_ID)
    if given is not None and _printable(given):
        more = (*more, (_ID, given))
    return reply._replace(body=body, headers=(*reply.headers, *more)) if more else reply
