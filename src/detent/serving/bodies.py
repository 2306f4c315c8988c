"""Request bodies, with a limit on size and on time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from detent.serving.problems import FieldError, Problem

MAX_BODY = 10 << 20  # bytes
MAX_SECONDS = 30.0  # for the whole body: a caller that drips bytes does not hold a connection for ever
_DRAIN = 4 * MAX_BODY  # bytes of a refused body that are read, so that the caller gets to see the answer


async def read_body(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    *,
    seconds: float = MAX_SECONDS,
) -> bytes | None:
    """Return the body, or None when the caller hung up.

    Raises:
        Problem: 413 above 10 MiB, 408 when the body takes longer than `seconds`, 400 for a content encoding.
    """
    for key, value in scope["headers"]:
        if key == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise _encoded()
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            if not message.get("more_body") and len(message["body"]) <= MAX_BODY:
                return message["body"]
            return await _read_rest(message, receive)
    except TimeoutError as error:
        raise Problem(
            408,
            "too-slow",
            what="the body did not arrive in time",
            why=f"a request has {seconds:g} seconds to arrive",
            fix="send smaller requests, or over a better line",
            headers=((b"connection", b"close"),),
        ) from error


async def _read_rest(
    message: MutableMapping[str, Any], receive: Callable[[], Awaitable[MutableMapping[str, Any]]]
) -> bytes | None:
    parts, size = [message["body"]], len(message["body"])
    while message.get("more_body") and size <= _DRAIN:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message["body"])
        if size <= MAX_BODY:
            parts.append(message["body"])
        else:
            parts.clear()
    if size > MAX_BODY:
        raise _too_large()
    return b"".join(parts)


def _too_large() -> Problem:
    message = f"more than {MAX_BODY:,} bytes"
    return Problem(
        413,
        "too-large",
        what="the body is too large",
        why=message,
        fix="send fewer rows per request",
        errors=(FieldError(field="", message=message),),
        headers=((b"connection", b"close"),),
    )


def _encoded() -> Problem:
    return Problem(
        415,
        "encoded",
        what="the body is compressed",
        why="the server takes plain JSON only: a small compressed body could unpack to gigabytes",
        fix="send the body without Content-Encoding",
    )
