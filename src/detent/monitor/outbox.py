"""The outbox: alerts are stored with the change that caused them and delivered afterwards, at least once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from detent.monitor.protocol import Channel, ChannelError
from detent.records.alert import Alert
from detent.records.event import Fact
from detent.store import ledger
from detent.store.canonical import digest_of
from detent.store.clock import iso
from detent.store.database import Database, Reader, Transaction
from detent.store.queries import load_queries

# A channel that refuses an alert so often never takes it; the alert stays visible as undelivered.
MOST_ATTEMPTS = 10
_SQL = load_queries("detent.monitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """An alert on its way through one channel."""

    id: str  # idempotency key of the alert
    channel: str  # name that the caller gave the channel
    alert: Alert
    attempts: int  # tries so far
    error: str  # why the last one failed; empty before the first


def alert_id(alert: Alert) -> str:
    """Return the idempotency key: equal for every try to deliver one alert, different for any other alert."""
    return digest_of([alert.key, alert.at, alert.severity, alert.rise])[:32]


def queue(
    tx: Transaction, alerts: Sequence[Alert], channels: Sequence[str], *, endpoint: str, actor: str, now: datetime
) -> None:
    """Store alerts for delivery through every channel and write `alert.raised` for each.

    A known alert is left alone.
    """
    for alert in alerts:
        if tx.row(_SQL["alert"], id=alert_id(alert)) is not None:
            continue
        values = {**asdict(alert), "rise": int(alert.rise)}
        tx.execute(_SQL["save_alert"], id=alert_id(alert), endpoint=endpoint, **values)
        for channel in channels:
            tx.execute(_SQL["queue"], id=alert_id(alert), channel=channel)
        fact = Fact(kind="alert.raised", subject=f"endpoint:{endpoint}", actor=actor, payload=asdict(alert))
        ledger.append(tx, fact, now)


def pending(reader: Reader) -> list[Notification]:
    """Return what is still to be delivered, oldest first."""
    return [
        Notification(
            id=row.pop("id"),
            channel=row.pop("channel"),
            attempts=row.pop("attempts"),
            error=row.pop("error"),
            alert=Alert(**{**row, "rise": bool(row["rise"])}),
        )
        for row in reader.rows(_SQL["pending"], most_attempts=MOST_ATTEMPTS)
    ]


def deliver(db: Database, channels: Mapping[str, Channel], *, now: datetime) -> list[ChannelError]:
    """Send what is pending through the channels given and return what went wrong; it never raises ChannelError.

    No transaction is open while a channel works. A crash between the delivery and its record sends the alert again.
    """
    faults = []
    for notification in pending(db):
        channel = channels.get(notification.channel)
        if channel is None:
            continue
        fault = _try(channel, notification.alert)
        with db.transaction() as tx:
            if fault is None:
                tx.execute(_SQL["delivered"], id=notification.id, channel=notification.channel, at=iso(now))
            else:
                tx.execute(_SQL["failed"], id=notification.id, channel=notification.channel, error=fault.why)
                faults.append(fault)
    return faults


def _try(channel: Channel, alert: Alert) -> ChannelError | None:
    try:
        channel.send(alert)
    except ChannelError as error:
        return error
    return None
