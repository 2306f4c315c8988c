"""Request bodies, with a limit on size and on time."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from detent.serving.problems import FieldError, Problem

MAX_BODY = 10 << 20  # bytes
MAX_SECONDS = 30.0  # for the whole body: a caller that drips bytes does not hold a connection for ever
_PLAIN = (b"", b"identity")
_ENCODINGS = (*_PLAIN, b"gzip", b"x-gzip", b"deflate")
_DRAIN = 4 * MAX_BODY  # bytes of a refused body that are read, so that the caller gets to see the answer


async def read_body(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    *,
    seconds: float = MAX_SECONDS,
) -> bytes | None:
    """Return the body, or None when the caller hung up.

    Raises:
        Problem: 413 above 10 MiB (also once it is unpacked), 408 when the body takes longer than `seconds`, 415 for an
            encoding that is neither gzip nor deflate, 400 for a body that is not what its encoding says.
    """
    encoding = b"".join(value for key, value in scope["headers"] if key == b"content-encoding").strip().lower()
    if encoding not in _ENCODINGS:
        raise _encoded(encoding)
    try:
        async with asyncio.timeout(seconds):
            body = await _read(receive)
        return body if body is None or encoding in _PLAIN else _unpacked(body)
    except TimeoutError as error:
        raise too_slow(seconds) from error


def too_slow(seconds: float) -> Problem:
    """Build the 408 for a request that did not arrive in time."""
    return Problem(
        408,
        "too-slow",
        what="the request did not arrive in time",
        why=f"it has {seconds:g} seconds to arrive",
        fix="send smaller requests, or over a better line",
        headers=((b"connection", b"close"),),
    )


async def _read(receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> bytes | None:
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    if not message.get("more_body") and len(message["body"]) <= MAX_BODY:
        return message["body"]
    return await _read_rest(message, receive)


def _unpacked(body: bytes) -> bytes:
    """Unpack gzip or zlib, and stop at the limit: some kilobytes may unpack to gigabytes."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: either of the two formats
    try:
        plain = unpacker.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise _damaged(str(error)) from error
    if len(plain) > MAX_BODY:
        raise _too_large()
    if not unpacker.eof:
        raise _damaged("it ends too early")
    return plain


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


def _encoded(encoding: bytes) -> Problem:
    return Problem(
        415,
        "encoded",
        what="the body is compressed in a way that this server does not unpack",
        why=f"Content-Encoding is {encoding[:40].decode('latin-1')!r}; gzip and deflate are taken",
        fix="send plain JSON, or compress it with gzip",
        headers=((b"accept-encoding", b"gzip, deflate"),),
    )


def _damaged(why: str) -> Problem:
    return Problem(
        400,
        "damaged-body",
        what="the body can't be unpacked",
        why=why,
        fix="send what Content-Encoding says, or leave the header out",
        errors=(FieldError(field="", message=why),),
    )
