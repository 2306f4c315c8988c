"""What all hosts of a project follow, and which hosts there are: two tables of the shared database."""

from __future__ import annotations

import hashlib
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from detent.errors import BusyError
from detent.records.route import Route
from detent.serving import places
from detent.serving.identifiers import load_or_create_key
from detent.store.atomic import write_atomic
from detent.store.clock import iso
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

TOPIC = "detent_routes"  # announced when routes or API keys have changed
JOINING, SERVING, AWAY, GONE = "joining", "serving", "away", "gone"
_SQL = load_queries("detent.serving")


class OvertakenError(BusyError):
    """Somebody else has published a route since the one was read that is to be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A route as every host is to follow it."""

    seq: int  # grows with every change, whichever host makes it
    route: Route
    signatures: Mapping[int, str]  # version -> signature over its bundle's manifest, hex
    ids: str  # digest of the key that all hosts make prediction ids with


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A state folder whose processes answer, on this machine or another one."""

    host: str  # its id
    number: int  # 1, 2, 3 ...: tells its prediction ids from those of others
    name: str  # of the machine, for people
    state: str  # joining: not ready yet | serving | away: it did not answer when it was asked | gone: it was stopped
    seq: int  # the published route that it has followed
    beat: int  # grows while it lives
    refused: Mapping[str, str]  # version -> why its processes do not load it
    seen: str  # ISO time of its last word, by its own clock


def published(reader: Reader, endpoint: str) -> Published | None:
    """Return what hosts have to follow; None before the first deployment."""
    row = reader.row(_SQL["published"], endpoint=endpoint)
    return None if row is None else _published(row)


def publish(tx: Transaction, route: Route, *, after: int, signatures: Mapping[int, str], ids: str) -> int:
    """Have all hosts follow a route, and return its number.

    Raises:
        OvertakenError: what is published is not number `after` any more: somebody else was faster.
    """
    row = tx.row(_SQL["published"], endpoint=route.endpoint)
    if (0 if row is None else row["seq"]) != after:
        raise OvertakenError(
            what="the route was changed by somebody else at the same moment",
            why="two commands or controllers moved the same traffic",
            fix="look at `detent status`, and do it again if it is still wanted",
        )
    tx.execute(
        _SQL["publish"],
        endpoint=route.endpoint,
        seq=after + 1,
        route=msgspec.json.encode(route).decode(),
        signatures=msgspec.json.encode({str(number): text for number, text in signatures.items()}).decode(),
        ids=ids,
    )
    tx.announce(TOPIC)
    return after + 1


def hosts(reader: Reader, endpoint: str) -> list[Host]:
    """Return every host that ever served the endpoint, by number."""
    return [_host(row) for row in reader.rows(_SQL["hosts"], endpoint=endpoint)]


def enrol(tx: Transaction, state: Path, endpoint: str, now: datetime) -> int:
    """Make a state folder one of the hosts, unless it is; return its number, which stays the same."""
    host = own_id(state)
    tx.execute(_SQL["enrol_host"], host=host, name=socket.gethostname(), endpoint=endpoint, seen=iso(now))
    row = tx.row(_SQL["number_of_host"], host=host)
    assert row is not None
    return int(row["number"])


def join(tx: Transaction, host: str) -> None:
    """Say that a host is about to serve; it counts once it has acknowledged the newest route."""
    tx.execute(_SQL["set_state"], host=host, state=JOINING)


def beat(tx: Transaction, host: str, now: datetime) -> None:
    """Say that the host lives."""
    tx.execute(_SQL["beat"], host=host, seen=iso(now))


def acknowledge(tx: Transaction, host: str, seq: int, refused: Mapping[int, str], now: datetime) -> None:
    """Say that the host's processes have tried to load what route `seq` names, and which versions they refuse."""
    said = msgspec.json.encode({str(number): why for number, why in refused.items()}).decode()
    tx.execute(_SQL["acknowledge"], host=host, seq=seq, refused=said, seen=iso(now))


def mark_away(tx: Transaction, host: Host) -> bool:
    """Wait for a host no more until it comes back; False when it has said something meanwhile."""
    return tx.execute(_SQL["mark_away"], host=host.host, beat=host.beat) > 0


def leave(tx: Transaction, host: str) -> None:
    """Say that the host stops on purpose."""
    tx.execute(_SQL["set_state"], host=host, state=GONE)


def own_id(state: Path) -> str:
    """Return what names a state folder among the hosts; made at the first call."""
    path = places.host_id(state)
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        write_atomic(path, secrets.token_hex(16).encode())
        return path.read_text().strip()


def digest_of_ids(state: Path) -> str:
    """Return the digest of the key that this state folder makes prediction ids with: it says nothing about the key."""
    return hashlib.sha256(load_or_create_key(places.prediction_key(state))).hexdigest()


def _published(row: Row) -> Published:
    signatures = msgspec.json.decode(row["signatures"], type=dict[str, str])
    return Published(
        seq=row["seq"],
        route=msgspec.json.decode(row["route"], type=Route),
        signatures={int(number): text for number, text in signatures.items()},
        ids=row["ids"],
    )


def _host(row: Row) -> Host:
    return Host(
        host=row["host"],
        number=row["number"],
        name=row["name"],
        state=row["state"],
        seq=row["seq"],
        beat=row["beat"],
        refused=msgspec.json.decode(row["refused"], type=dict[str, str]),
        seen=row["seen"],
    )
