"""Who may ask: the API keys of this server.

Looked at on every request, so that a revoked key is refused by the next request of every worker. A header that was good
is remembered until the page of keys changes; nobody's secret is hashed twice.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from detent.records.key import SCOPES, ApiKey
from detent.serving.counts.counters import Counters
from detent.serving.pages.limits import Meter, Meters
from detent.serving.pages.page import Page
from detent.serving.problems import Problem
from detent.store.clock import parse

PREDICT = "predict"
TEST = "test"  # may name the version that answers
_KNOWN = 1024  # headers that were found good and are remembered, so that they are not hashed again
_NOBODY = "0" * 64  # digest of no secret


class Grant(NamedTuple):
    """What the sender of a header may do."""

    id: str = ""  # of the key; "" for the key of the environment, or when no key is needed
    scopes: frozenset[str] = frozenset(SCOPES)
    endpoints: frozenset[str] = frozenset()  # at which predictions may be asked for; empty: at all
    expires: float = math.inf  # seconds since 1970
    meter: Meter | None = None  # None: no limits


EVERYTHING = Grant()


class Keys:
    """The keys that this server takes.

    Without a key in the environment and before the first key was made, everybody may ask. From then on nobody may
    without a good key, also when the last one was revoked or the page is damaged.
    """

    def __init__(
        self,
        digest: str | None,
        counters: Counters,
        page: Page[tuple[ApiKey, ...]] | None = None,
        meters: Meters | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take the key with the sha256 `digest` (hex) for everything, and those on the page for what they say."""
        self._digest, self._counters, self._page, self._meters, self._now = digest, counters, page, meters, now
        self._good: dict[bytes | None, Grant] = {}
        self._keys: dict[str, ApiKey] = {}
        self._held: dict[str, tuple[ApiKey, Meter]] = {}
        if page is not None:
            page.make()
        self._newest = (0,) if page is None else page.numbers  # the first one is the number of the page
        self._seen, self._open = -1, False

    def grant(self, header: bytes | None) -> Grant | None:
        """Return what the sender of an Authorization header may do; None when it shows no good key."""
        if self._newest[0] != self._seen:
            self._reload()
        if self._open:
            return EVERYTHING
        grant = self._good.get(header)
        if grant is None:
            grant = self._look(header or b"")
        elif grant.expires is not math.inf and grant.expires <= self._now():
            return None
        return grant

    def allows(self, header: bytes | None) -> bool:
        """True when the sender may ask for predictions somewhere; nothing is counted."""
        grant = self.grant(header)
        return grant is not None and PREDICT in grant.scopes

    def authorise(self, header: bytes | None, scope: str = PREDICT, endpoint: str = "") -> Grant:
        """Let a request with this Authorization header pass, and say what its sender may do.

        Raises:
            Problem: 401 when there is no key or another one, 403 when it is not for this.
        """
        grant = self.grant(header)
        if grant is None:
            self._counters.add("unauthorised")
            raise Problem(
                401,
                "unauthorised",
                what="this path needs an API key",
                why="the Authorization header is missing or its key is not good here",
                fix="send `Authorization: Bearer <key>`",
                headers=((b"www-authenticate", b"Bearer"),),
            )
        if scope not in grant.scopes:
            raise self._forbidden(f"the key {grant.id} has no scope `{scope}`", f"--scope {scope}")
        if endpoint and grant.endpoints and endpoint not in grant.endpoints:
            raise self._forbidden(f"the key {grant.id} is not for this endpoint", "--endpoint")
        return grant

    def _forbidden(self, why: str, option: str) -> Problem:
        self._counters.add("unauthorised")
        return Problem(
            403,
            "forbidden",
            what="this key may not do that",
            why=why,
            fix=f"use another key, or ask for one that was made with `detent keys add ... {option}`",
        )

    def _reload(self) -> None:
        """Read the page. A damaged one leaves the keys that were good, and a new worker with none."""
        self._seen, keys = self._newest[0], ()
        if self._page is not None:
            keys = self._page.read()[1]
        self._open = self._digest is None and self._seen == 0
        self._keys = {key.id: key for key in keys}
        self._held = {id_: held for id_, held in self._held.items() if id_ in self._keys}
        self._good = {}

    def _look(self, header: bytes) -> Grant | None:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        grant = self._find(token.strip())
        if grant is not None and len(self._good) < _KNOWN:
            self._good[header] = grant
        return grant

    def _find(self, token: bytes) -> Grant | None:
        if self._digest is not None and hmac.compare_digest(sha256(token).hexdigest(), self._digest):
            return EVERYTHING
        if not token.startswith(b"dk_"):
            return None
        id_, _, secret = token[3:].partition(b"_")
        key = self._keys.get(id_.decode("latin-1"))
        # A key that nobody has is compared too, so that the time of an answer does not tell which ids there are.
        good = hmac.compare_digest(sha256(secret).hexdigest(), _NOBODY if key is None else key.digest)
        if key is None or not good:
            return None
        expires = math.inf if key.expires is None else parse(key.expires).timestamp()
        if expires <= self._now():
            return None
        return Grant(key.id, frozenset(key.scopes), frozenset(key.endpoints), expires, self._meter(key))

    def _meter(self, key: ApiKey) -> Meter | None:
        """Return what the key has used; the same object while its limits stay, so that open requests are counted."""
        if self._meters is None or not (key.rate or key.concurrency):
            return None
        held = self._held.get(key.id)
        if held is None or held[0] != key:
            meter = self._meters.meter(key.number, rate=key.rate, burst=key.burst, concurrency=key.concurrency)
            held = self._held[key.id] = (key, meter)
        return held[1]
