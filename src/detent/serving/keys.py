"""Who may ask: the API key of this server."""

from __future__ import annotations

import hmac
from hashlib import sha256

from detent.serving.counters import Counters
from detent.serving.problems import Problem

_KNOWN = 1024  # headers that were found good and are remembered, so that they are not hashed again


class Keys:
    """The keys that this server takes. `digest` is the sha256 of the key, hex; None: everybody may ask."""

    def __init__(self, digest: str | None, counters: Counters) -> None:
        self._digest, self._counters = digest, counters
        self._good: set[bytes] = set()

    def allows(self, header: bytes | None) -> bool:
        """True when `authorise` would let the request pass; nothing is counted."""
        if self._digest is None or header in self._good:
            return True
        scheme, _, token = (header or b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(sha256(token.strip()).hexdigest(), self._digest):
            return False
        if len(self._good) < _KNOWN:
            self._good.add(header or b"")
        return True

    def authorise(self, header: bytes | None) -> None:
        """Let a request with this Authorization header pass.

        Raises:
            Problem: 401 when there is no key, or another one.
        """
        if self.allows(header):
            return
        self._counters.add("unauthorised")
        raise Problem(
            401,
            "unauthorised",
            what="this path needs an API key",
            why="the Authorization header is missing or its key is not the one of this server",
            fix="send `Authorization: Bearer <key>`",
            headers=((b"www-authenticate", b"Bearer"),),
        )
