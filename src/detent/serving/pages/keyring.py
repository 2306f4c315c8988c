"""API keys: made and revoked in the ledger, and published on a page that every worker reads on every request.

The secret has 256 random bits, so one round of sha256 is enough to store it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from detent.errors import RefusedError, did_you_mean
from detent.records.event import Event, Fact
from detent.records.key import SCOPES, ApiKey
from detent.serving import places
from detent.serving.hosts import TOPIC
from detent.serving.pages.page import Kind, Page
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Reader, Transaction

ADDED, REVOKED = "key.added", "key.revoked"
PAGE_BYTES = 1 << 20
MOST = 2048  # keys ever made for one state; their limits are kept in a file of that size
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,62}")
_DECODER = msgspec.json.Decoder(tuple[ApiKey, ...])

_KIND: Kind[tuple[ApiKey, ...]] = Kind(
    noun="the API keys",
    magic=b"detent apikeys1\0",
    size=PAGE_BYTES,
    empty=(),
    decode=_DECODER.decode,
    too_many="revoke keys that nobody uses",
    lost="move the file away; `detent up` and `detent keys` write it anew from the ledger",
    mode=0o600,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a new key may do; see `ApiKey`."""

    name: str
    scopes: tuple[str, ...]
    endpoints: tuple[str, ...] = ()
    rate: float = 0.0
    burst: int = 1
    concurrency: int = 0
    expires: datetime | None = None


def open_page(state: Path) -> Page[tuple[ApiKey, ...]]:
    """Return the page with the keys that are good. Its number is 0 until the first key was made."""
    return Page(places.key_page(state), _KIND)


def add(tx: Transaction, wish: Wish, *, actor: str, now: datetime) -> tuple[ApiKey, str]:
    """Make a key; return it and its text `dk_<id>_<secret>`, which nobody can ask for again. Call `publish` afterwards.

    Raises:
        RefusedError: a bad name or scope, a moment in the past, or too many keys.
    """
    _check(wish, now)
    number = len(all_keys(tx))
    if number >= MOST:
        raise RefusedError(
            what=f"there are {MOST:,} keys already",
            why="each key ever made keeps its place in the file of limits",
            fix="give one key to several callers of one team",
        )
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        id=secrets.token_hex(4),
        name=wish.name,
        number=number,
        digest=hashlib.sha256(secret.encode()).hexdigest(),
        scopes=tuple(scope for scope in SCOPES if scope in wish.scopes),
        endpoints=wish.endpoints,
        rate=wish.rate,
        burst=wish.burst,
        concurrency=wish.concurrency,
        expires=iso(wish.expires) if wish.expires else None,
    )
    payload = msgspec.to_builtins(key)
    digest = payload.pop("digest")
    for name in ("made_at", "revoked_at"):
        del payload[name]
    fact = Fact(kind=ADDED, subject=f"key:{key.id}", actor=actor, payload=payload, observed={"digest": digest})
    event = ledger.append(tx, fact, now)
    tx.announce(TOPIC)
    return replace(key, made_at=event.time), f"dk_{key.id}_{secret}"


def revoke(tx: Transaction, name: str, *, actor: str, now: datetime) -> ApiKey:
    """Take a key away, named by its id or, when it is the only good one so called, by its name.

    One that is revoked already is left as it is. Call `publish` afterwards; every worker's next request sees it.

    Raises:
        RefusedError: there is no such key, or several.
    """
    keys = all_keys(tx)
    found = [key for key in keys if key.id == name] or [
        key for key in keys if key.name == name and key.revoked_at is None
    ]
    if len(found) != 1:
        ids = tuple(key.id for key in found or keys)
        raise RefusedError(
            what=f"there is no key `{name}`" if not found else f"{len(found)} keys are called `{name}`",
            why="a key is named by its id, or by a name that only one good key has",
            fix=did_you_mean(name, ids) if ids else "see `detent keys list`",
        )
    key = found[0]
    if key.revoked_at is not None:
        return key
    payload = {"id": key.id, "name": key.name}
    event = ledger.append(tx, Fact(kind=REVOKED, subject=f"key:{key.id}", actor=actor, payload=payload), now)
    tx.announce(TOPIC)
    return replace(key, revoked_at=event.time)


def all_keys(reader: Reader) -> list[ApiKey]:
    """Return every key that was ever made, oldest first."""
    keys: dict[str, ApiKey] = {}
    for event in ledger.read(reader, kind="key"):
        if event.kind == ADDED:
            keys[event.payload["id"]] = _key(event)
        elif event.kind == REVOKED:
            id_ = event.payload["id"]
            keys[id_] = replace(keys[id_], revoked_at=event.time)
    return list(keys.values())


def publish(state: Path, reader: Reader) -> None:
    """Write the keys that are good to the page. Of several at once, the last one has read the newest ledger.

    Raises:
        StoreError: they do not fit, or the disk can't be written; the old ones stay in force.
    """

    def encoded() -> bytes:
        return msgspec.json.encode([key for key in all_keys(reader) if key.revoked_at is None])

    open_page(state).put(encoded)


def publish_if_any(state: Path, reader: Reader) -> bool:
    """Publish when a key was ever made; before that everybody may ask. True when there was one."""
    made = ledger.count_by_kind(reader).get(ADDED, 0) > 0
    if made:
        publish(state, reader)
    return made


def _key(event: Event) -> ApiKey:
    return msgspec.convert({**event.payload, **event.observed, "made_at": event.time}, ApiKey)


def _check(wish: Wish, now: datetime) -> None:
    if not _NAME.fullmatch(wish.name):
        raise RefusedError(
            what=f"`{wish.name[:80]}` can't be the name of a key",
            why="a name has up to 63 letters, digits, blanks and . _ @ -",
            fix="say who has the key, such as `billing-service`",
        )
    unknown = [scope for scope in wish.scopes if scope not in SCOPES]
    if unknown or not wish.scopes:
        raise RefusedError(
            what=f"`{unknown[0]}` is no scope" if unknown else "the key may do nothing",
            why="the scopes of a key say what it may ask for, and it needs at least one",
            fix=did_you_mean(unknown[0], SCOPES) if unknown else f"scopes are {', '.join(SCOPES)}",
        )
    if wish.expires is not None and wish.expires <= now:
        raise RefusedError(
            what="the key would have expired already",
            why=f"it would be good until {iso(wish.expires)}, and it is {iso(now)}",
            fix="choose a later moment",
        )
