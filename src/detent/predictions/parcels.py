"""What hosts send each other of their logs: rows of the shared database that name blobs.

A host numbers its parcels; whoever needs them takes each one once, in order. What a host has sent, and how far into
which file, is stored in the transaction that announces it, so a crash at any moment sends nothing twice.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from detent.store.clock import iso
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)
NEVER = "1970-01-01T00:00:00.000000+00:00"


class Positions(msgspec.Struct, frozen=True):
    """How much of each file was sent."""

    log: dict[str, int] = {}  # file of the log -> bytes
    counts: dict[str, str] = {}  # file of counts -> what it looked like


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How far a host has sent its log."""

    number: int = 0  # of its last parcel
    until: str = NEVER  # ISO time, by its clock: what it logged before is in its parcels
    positions: Positions = field(default_factory=Positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Some rows of a host's log."""

    host: str
    number: int  # 1, 2, 3 ... of that host
    digest: str  # of the blob
    bytes: int
    mac: str  # proves that it comes from a host of this project, hex
    since: str  # ISO time, by the host's clock: what is in it was logged from then on
    until: str  # and before this moment

    def is_genuine(self, key: bytes) -> bool:
        """Tell whether a host with the installation's secret has sent it."""
        return hmac.compare_digest(self.mac, mac_of(key, self.host, self.number, self.digest))


def mac_of(key: bytes, host: str, number: int, digest: str) -> str:
    """Return what proves that a parcel is genuine: HMAC-SHA256 with the installation's secret, hex."""
    return hmac.new(key, f"parcel {host} {number} {digest}".encode(), hashlib.sha256).hexdigest()


def enrol_taker(tx: Transaction, taker: str, now: datetime) -> None:
    """Say that a host needs what the others answer; from now on they send it."""
    tx.execute(_SQL["enrol_taker"], taker=taker, seen=iso(now))


def is_needed(reader: Reader, host: str) -> bool:
    """Tell whether some other host needs what this one answers."""
    row = reader.row(_SQL["others_take"], host=host)
    return row is not None and row["takers"] > 0


def sent_of(reader: Reader, host: str) -> Sent:
    """Return how far a host has sent its log."""
    row = reader.row(_SQL["sender"], host=host)
    if row is None:
        return Sent()
    positions = msgspec.json.decode(row["positions"], type=Positions)
    return Sent(number=row["number"], until=row["until"], positions=positions)


def all_sent(reader: Reader) -> Mapping[str, Sent]:
    """Return how far every host has sent its log, without positions."""
    return {row["host"]: Sent(number=row["number"], until=row["until"]) for row in reader.rows(_SQL["senders"])}


def waiting_bytes(reader: Reader, host: str) -> int:
    """Return the bytes that a host has sent and that somebody still needs."""
    row = reader.row(_SQL["waiting_bytes"], host=host)
    return 0 if row is None else int(row["bytes"])


def send(tx: Transaction, host: str, before: Sent, after: Sent, parcel: Parcel | None) -> bool:
    """Store how far a host has sent, with its next parcel; False when another process of that host was faster.

    The blob must be durable by now.
    """
    row = tx.row(_SQL["sender"], host=host)
    known = (0, NEVER) if row is None else (row["number"], row["until"])
    if known != (before.number, before.until):
        return False
    positions = msgspec.json.encode(after.positions).decode()
    tx.execute(_SQL["save_sender"], host=host, number=after.number, until=after.until, positions=positions)
    if parcel is not None:
        tx.execute(
            _SQL["add_parcel"],
            host=host, number=parcel.number, digest=parcel.digest, bytes=parcel.bytes, mac=parcel.mac,
            since=parcel.since, until=parcel.until,
        )  # fmt: skip
    return True


def waiting_for(reader: Reader, taker: str) -> list[Parcel]:
    """Return what a host has not taken yet, the parcels of each host in order."""
    return [_parcel(row) for row in reader.rows(_SQL["parcels_for"], taker=taker)]


def heard(reader: Reader, taker: str) -> Mapping[str, str]:
    """Return the ISO time, by its own clock, up to which the answers of every other host have been taken."""
    sent = all_sent(reader)  # first: what is taken meanwhile is told too late, not too early
    missing = {one.host: one.since for one in reversed(waiting_for(reader, taker))}
    return {host: missing.get(host, one.until) for host, one in sent.items() if host != taker}


def taken_by(reader: Reader, taker: str) -> Mapping[str, int]:
    """Return the number of the last parcel that a host has taken of each other host."""
    return {row["host"]: int(row["number"]) for row in reader.rows(_SQL["taken"], taker=taker)}


def mark_taken(tx: Transaction, taker: str, host: str, number: int) -> None:
    """Say that a host has, durably, what another one sent up to a parcel."""
    tx.execute(_SQL["mark_taken"], taker=taker, host=host, number=number)


def delivered(reader: Reader) -> list[Parcel]:
    """Return the parcels that everybody who needs them has taken: their blobs may go."""
    return [_parcel(row) for row in reader.rows(_SQL["delivered"])]


def older(reader: Reader, before: datetime) -> list[Parcel]:
    """Return the parcels that were sent before a moment."""
    return [_parcel(row) for row in reader.rows(_SQL["parcels_before"], before=iso(before))]


def remove(tx: Transaction, parcels: Iterable[Parcel]) -> None:
    """Forget parcels; remove their blobs first, so that a crash leaves none behind that nobody knows."""
    for one in parcels:
        tx.execute(_SQL["forget_asides_of"], host=one.host, number=one.number)
        tx.execute(_SQL["remove_parcel"], host=one.host, number=one.number)


def forget_takers(tx: Transaction, before: datetime) -> int:
    """Forget hosts that have not asked for anything since a moment, and return how many they were."""
    return tx.execute(_SQL["forget_takers"], before=iso(before))


def _parcel(row: Row) -> Parcel:
    return Parcel(**row)
