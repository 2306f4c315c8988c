"""Unneeded blobs -> graves -> gone. Two phases, so that what is needed again in between is spared.

A blob is deleted when nothing needs it, it was stored longer ago than the grace period, and the same was found at least
`wait_seconds` ago. Storing bytes that are there already makes their blob young again, so whoever is about to refer to
a blob has the grace period to say so.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from detent.data.versions.marks import Marks
from detent.errors import StoreError
from detent.store.blobs import Blobs
from detent.store.clock import iso, parse
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a blob is left alone."""

    grace_seconds: float = 7 * 86_400.0  # since it was stored
    wait_seconds: float = 86_400.0  # since it was first found unneeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Blobs that share a fate."""

    blobs: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What stays, and what goes when."""

    kept: Mapping[str, Pile]  # by reason, most bytes first
    young: Pile  # not needed, and stored within the grace period
    buried: tuple[tuple[str, int], ...]  # (digest, bytes): not needed; deleted if that is still so when they are due
    due: tuple[tuple[str, int], ...]  # not needed for long enough: deleted now
    risen: tuple[str, ...]  # were buried, and are needed again or gone

    @property
    def freed(self) -> int:
        """Bytes that are deleted now."""
        return sum(size for _, size in self.due)


def examine(
    blobs: Blobs, marks: Marks, graves: Mapping[str, str], *, patience: Patience, now: datetime, since: float = 0.0
) -> Sweep:
    """Say what is to become of every blob; `graves` are the buried ones with the ISO time at which that was found.

    Blobs stored within the last `since` seconds count as young too: another project may need them.
    """
    kept: dict[str, list[int]] = {}
    young: list[int] = []
    buried, due = [], []
    seen: set[str] = set()
    for digest in blobs.names():
        try:
            size, age = blobs.size(digest), blobs.age(digest)
        except StoreError:
            continue  # deleted by somebody meanwhile
        reason = marks.reasons.get(digest)
        if reason is not None:
            kept.setdefault(reason, []).append(size)
        elif age < max(patience.grace_seconds, since):
            young.append(size)
        else:
            seen.add(digest)
            found = parse(graves[digest]) if digest in graves else now
            is_due = (now - found).total_seconds() >= patience.wait_seconds
            (due if is_due else buried).append((digest, size))
    piles = {reason: Pile(blobs=len(sizes), bytes=sum(sizes)) for reason, sizes in kept.items()}
    return Sweep(
        kept=dict(sorted(piles.items(), key=lambda item: (-item[1].bytes, item[0]))),
        young=Pile(blobs=len(young), bytes=sum(young)),
        buried=tuple(buried),
        due=tuple(due),
        risen=tuple(sorted(set(graves) - seen)),
    )


def graves(db: Reader) -> dict[str, str]:
    """Return the blobs that were found unneeded: digest -> ISO time."""
    return {row["digest"]: row["at"] for row in db.rows(_SQL["tombstones"])}


def bury(tx: Transaction, sweep: Sweep, now: datetime) -> None:
    """Remember what was found unneeded, and forget what is needed again."""
    for digest, size in (*sweep.buried, *sweep.due):
        tx.execute(_SQL["bury"], digest=digest, bytes=size, at=iso(now))
    forget(tx, sweep.risen)


def forget(tx: Transaction, digests: Iterable[str]) -> None:
    """Take graves away."""
    for digest in digests:
        tx.execute(_SQL["unbury"], digest=digest)


def delete(
    blobs: Blobs, sweep: Sweep, marks: Marks, *, patience: Patience, first: Container[str] = ()
) -> list[tuple[str, int]]:
    """Delete what is due, unless it was stored again or is needed by now; return (digest, bytes) of what went.

    `first` are versions: while one of them can be read, all that it names is there.
    """
    gone = []
    for digest, size in sorted(sweep.due, key=lambda item: item[0] not in first):
        if digest in marks.reasons or not blobs.has(digest) or blobs.age(digest) < patience.grace_seconds:
            continue
        blobs.delete(digest)
        gone.append((digest, size))
    return gone
