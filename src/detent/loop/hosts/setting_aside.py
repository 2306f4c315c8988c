"""What another host sent and can't be taken: kept, told once, and tried again when its cause may be mended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from detent.errors import TamperedError
from detent.loop.alerts.channels import channel_names
from detent.loop.hosts.heard import Gap
from detent.loop.workspace import Workspace
from detent.monitor import outbox
from detent.predictions.pack import Contents
from detent.predictions.parcels import Parcel
from detent.predictions.parcels_aside import ParcelAside, forget_parcel_aside, parcels_aside, set_parcel_aside
from detent.records.alert import Alert
from detent.records.event import Fact
from detent.records.finding import WARNING
from detent.statistics.days import day_from_bytes
from detent.store import ledger
from detent.store.clock import iso, parse
from detent.store.database import Transaction

AGAIN = timedelta(hours=1)  # after which a parcel is tried again by itself
ASIDE, TAKEN, LOST = "host.rows_aside", "host.rows_taken", "host.rows_lost"


def aside_of(taker: str, name: str, parcel: Parcel, *, why: str, now: datetime) -> ParcelAside:
    """Return a parcel with the reason for which it could not be taken."""
    return ParcelAside(parcel=parcel, taker=taker, name=name, why=why, at=iso(now), again_at=iso(now + AGAIN))


def gap_of(one: ParcelAside) -> Gap:
    """Return the span of time in which answers are missing meanwhile."""
    return Gap(host=one.name, since=parse(one.parcel.since), until=parse(one.parcel.until))


def set_aside(ws: Workspace, tx: Transaction, bad: Sequence[ParcelAside]) -> None:
    """Keep parcels of one host. People are told of the first one; of more while it is there, only the ledger is."""
    if not bad:
        return
    first = not any(one.parcel.host == bad[0].parcel.host for one in parcels_aside(tx, bad[0].taker))
    for one in bad:
        set_parcel_aside(tx, one)
        fact = fact_of(ws, ASIDE, host=one.name, what=f"parcel {one.parcel.number}", why=one.why)
        ledger.append(tx, fact, ws.now())
    if first:
        alerts = [_alert(ws, bad)]
        endpoint = ws.project.serving.endpoint
        outbox.queue(tx, alerts, channel_names(ws), endpoint=endpoint, actor=ws.actor, now=ws.now())


def taken_after_all(ws: Workspace, tx: Transaction, one: ParcelAside) -> None:
    """Say that the rows of a parcel are in the log now."""
    if forget_parcel_aside(tx, one):
        fact = fact_of(ws, TAKEN, host=one.name, what=f"parcel {one.parcel.number}", why=f"it was set aside: {one.why}")
        ledger.append(tx, fact, ws.now())


def given_up(ws: Workspace, tx: Transaction, removed: Sequence[Parcel]) -> None:
    """Say of parcels that are removed because of their age which of them nobody could take."""
    gone = {(one.host, one.number) for one in removed}
    for one in parcels_aside(tx):
        if (one.parcel.host, one.parcel.number) in gone:
            what = f"parcel {one.parcel.number}"
            ledger.append(tx, fact_of(ws, LOST, host=one.name, what=what, why=f"it was aside: {one.why}"), ws.now())


def fact_of(ws: Workspace, kind: str, *, host: str, what: str, why: str) -> Fact:
    """Return the fact that something became of what a host had sent."""
    subject = f"endpoint:{ws.project.serving.endpoint}"
    return Fact(kind=kind, subject=subject, actor=ws.actor, payload={"host": host, "what": what, "why": why})


def counts_file(folder: Path, name: str, owner: str) -> Path:
    """Return where the counts of another host lie, beside those of this one."""
    path = folder / name
    return path.with_suffix(f".{owner}{path.suffix}")


def replace_older(contents: Contents, folder: Path, owner: str) -> Contents:
    """Return a parcel without the counts of which a later parcel has brought more: a file of counts only grows."""
    counts = contents.counts.items()
    newer = {name: data for name, data in counts if _rows(data) > _rows_in(counts_file(folder, name, owner))}
    return Contents(contents.frames, newer)


def _rows_in(path: Path) -> int:
    try:
        return _rows(path.read_bytes())
    except FileNotFoundError:
        return -2


def _rows(data: bytes) -> int:
    """Return how many rows were counted; -1 of what is damaged."""
    try:
        hours = day_from_bytes(data)
    except TamperedError:
        return -1
    return sum(granule.rows for granule in hours.values())


def _alert(ws: Workspace, bad: Sequence[ParcelAside]) -> Alert:
    one, now = bad[0], iso(ws.now())
    more = f" So it is with {len(bad) - 1} more." if len(bad) > 1 else ""
    return Alert(
        key=f"parcels:{one.name}",
        severity=WARNING,
        title=f"Answers of {one.name} are set aside",
        text=f"Parcel {one.parcel.number} can't be taken: {one.why}.{more} Windows up to "
        f"{one.parcel.until[:16].replace('T', ' ')} UTC lack these answers. They are kept: mend the cause, then "
        "`detent hosts retake`.",
        opened_at=now,
        at=now,
        rise=False,
    )
