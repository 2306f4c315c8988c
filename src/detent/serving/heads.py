"""Request heads that were read before.

A program that keeps its connection sends the same head again and again, byte for byte. What a head asks for depends on
its bytes alone, so one that was parsed once and led to the short way is not parsed again: it is looked up.
"""

from __future__ import annotations

from typing import NamedTuple

from detent.serving.formats.format import Headers

_END = b"\r\n\r\n"
_MOST = 1024  # heads that are remembered; then all are forgotten
_LONGEST = 4096  # bytes of one
_NEVER_TWICE = (b"x-request-id", b"traceparent")  # another value in each request


class Head(NamedTuple):
    """What a head says."""

    url: bytes
    wanted: Headers  # those headers that answers depend on
    length: int  # bytes of the body


class Heads:
    """The heads of one process."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head, bytes] | None:
        """Return head and body when the bytes are one whole request whose head is known, nothing before or after it."""
        end = data.find(_END) + 4
        head = self._known.get(data[:end])
        return (head, data[end:]) if head is not None and len(data) == end + head.length else None

    def remember(self, data: bytes, url: bytes, wanted: Headers, length: int) -> None:
        """Take the bytes of one whole request that went the short way and keeps its connection.

        Args:
            data: what was read, nothing before it.
            url: as parsed.
            wanted: headers as parsed, not to be changed any more.
            length: bytes of the parsed body.
        """
        end = data.find(_END) + 4
        # A head that ends in another way than `_END` is left to the parser.
        if len(data) != end + length or end > _LONGEST or any(name in wanted for name in _NEVER_TWICE):
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[data[:end]] = Head(url, wanted, length)
