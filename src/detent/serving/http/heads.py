"""Request heads that were read before.

A program that keeps its connection sends the same head again and again, byte for byte. What a head asks for depends on
its bytes alone, so one that was parsed once and led to the short way is not parsed again: it is looked up.
"""

from __future__ import annotations

from typing import NamedTuple

from detent.serving.formats.format import Headers

END = b"\r\n\r\n"
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
        self.known: dict[bytes, Head] = {}  # by all their bytes, `END` included

    def remember(self, data: bytes, url: bytes, wanted: Headers, length: int) -> None:
        """Take the bytes of one whole request that went the short way and keeps its connection.

        Args:
            data: what was read, nothing before it.
            url: as parsed.
            wanted: headers as parsed, not to be changed any more.
            length: bytes of the parsed body.
        """
        end = data.find(END) + 4
        # A head that ends in another way than `END` is left to the parser.
        if len(data) != end + length or end > _LONGEST or any(name in wanted for name in _NEVER_TWICE):
            return
        if len(self.known) >= _MOST:
            self.known.clear()
        self.known[data[:end]] = Head(url, wanted, length)
