"""Calls that ask for a training: request -> one stored call, however often it is sent -> a receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

import msgspec

from detent.errors import BusyError, RefusedError, StoreError
from detent.serving.problems import FieldError, Problem, unavailable
from detent.serving.rows.validate import decode_json, invalid

KEY = b"idempotency-key"
MAX_BODY = 64 << 10  # bytes; what is sent along is only compared, so a note is enough
MAX_KEY = 200  # characters
CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A call that may be stored."""

    name: str  # the last part of the path
    key: str  # of the header: the same key is the same call
    body: str  # sha256 of what was sent, hex
    caller: str  # "api:<key id>"; "api" for the key of the environment, or when no key is needed
    at: datetime


class CallReceipt(Protocol):
    """What became of a call."""

    @property
    def id(self) -> str:
        """Its name in the ledger, such as "refresh-3"."""
        ...

    @property
    def state(self) -> str:
        """One of: accepted, known (the same call again), conflict (the key was used for something else)."""
        ...


RecordCall = Callable[[Called], CallReceipt]
"""Keeps a call in one transaction. Raises RefusedError for a name that nobody declared."""


def read_call(name: str, header: bytes | None, body: bytes, *, caller: str, at: datetime) -> Called:
    """Return the call of POST /v1/triggers/{name}.

    Args:
        name: the last part of the path.
        header: value of Idempotency-Key.
        body: empty, or a JSON object.
        caller: who calls.
        at: when.

    Raises:
        Problem: 400 without a good key or for what is no JSON, 413 for a long body, 422 for JSON that is no object.
    """
    key = (header or b"").decode("latin-1").strip()
    if not key or len(key) > MAX_KEY or not key.isprintable():
        raise Problem(
            400,
            "idempotency-key",
            what="the call has no key of its own" if not key else "the key of this call can't be used",
            why=f"Idempotency-Key names a call, so that sending it twice asks once; it has 1 to {MAX_KEY} characters",
            fix="send a header such as `Idempotency-Key: nightly-2026-11-21`",
        )
    if len(body) > MAX_BODY:
        message = f"{len(body):,} bytes; a call has at most {MAX_BODY:,}"
        raise Problem(
            413,
            "too-large",
            what="the body is too large",
            why=message,
            fix="send a short note, or nothing",
            errors=(FieldError(field="", message=message),),
        )
    if body and not isinstance(decode_json(body), dict):
        raise invalid([FieldError(field="", message="send a JSON object, or nothing")])
    return Called(name=name, key=key, body=sha256(body).hexdigest(), caller=caller, at=at)


def keep_call(record: RecordCall, call: Called) -> bytes:
    """Hand the call over and return the body of the answer.

    Raises:
        Problem: 404 for an unknown name, 409 when the key was used for another body, 503 when it can't be stored now.
    """
    try:
        receipt = record(call)
    except RefusedError as error:
        raise Problem(404, "unknown-trigger", what=error.what, why=error.why, fix=error.fix) from error
    except (BusyError, StoreError) as error:
        raise unavailable(
            "call-not-stored",
            what="the call could not be stored",
            why=f"{error.what}: {error.why}",
            fix="send it again with the same key",
        ) from error
    if receipt.state == CONFLICT:
        raise Problem(
            409,
            "key-used",
            what="this Idempotency-Key was used for another call",
            why=f"call {receipt.id} has the same key and another body",
            fix="give each call a key of its own",
        )
    return msgspec.json.encode({"call": receipt.id, "state": receipt.state})


def no_calls_here() -> Problem:
    """Build the 503 of a server that keeps no calls."""
    return unavailable(
        "no-call-store",
        what="this server keeps no calls of triggers",
        why="it was started without a store for them",
        fix="call the server that `detent up` starts",
    )
