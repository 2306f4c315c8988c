"""The outbox: alerts are stored with the change that caused them and delivered afterwards, at least once each.

Whoever delivers claims a notification first, so two of them send it once. What fails is tried again after 30 s, 1, 2,
4 ... minutes and at last every 6 hours; meanwhile the other notifications of that channel wait too, and they go as soon
as the channel takes anything. After three days of failures a notification is given up, which is news of its own.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from detent.monitor.protocol import Channel, ChannelError
from detent.records.alert import Alert
from detent.records.event import Fact
from detent.records.finding import WARNING
from detent.store import ledger
from detent.store.canonical import canonical, digest_of
from detent.store.clock import iso, parse
from detent.store.database import Database, Reader, Transaction
from detent.store.queries import load_queries

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=6)
GIVE_UP = timedelta(days=3)
LEASE = timedelta(seconds=60)  # who died while sending keeps a notification for so long
UNDELIVERED = "meta:undelivered"
LEAST = 0.5  # seconds that a try has, however little is left of the call's time
QUIET = timedelta(days=1)  # what is given up within it through one channel is one piece of news
_SQL = load_queries("detent.monitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """An alert on its way through one channel."""

    id: str  # idempotency key of the alert
    channel: str  # name that the caller gave the channel
    alert: Alert
    attempts: int  # tries so far
    error: str  # why the last one failed; empty before the first
    endpoint: str = ""
    next_at: str = ""  # ISO time before which it is not tried; "" is now
    claimed_until: str = ""  # ISO time until which somebody holds it; "" when nobody does
    failing_since: str | None = None  # ISO time of the first failure


def alert_id(alert: Alert) -> str:
    """Return the idempotency key: equal for every try to deliver one alert, different for any other alert."""
    return key_of(alert.key, alert.at, alert.severity, alert.rise)


def key_of(key: str, at: str, severity: str, rise: bool) -> str:
    """Return the idempotency key of the alert that these four name."""
    return digest_of([key, at, severity, rise])[:32]


def queue(
    tx: Transaction, alerts: Sequence[Alert], channels: Sequence[str], *, endpoint: str, actor: str, now: datetime
) -> None:
    """Store alerts for delivery through every channel and write `alert.raised` for each.

    A known alert is left alone. The endpoint joins the labels as `model`.
    """
    for bare in alerts:
        if tx.row(_SQL["alert"], id=alert_id(bare)) is not None:
            continue
        alert = replace(bare, labels=(("model", endpoint), *(pair for pair in bare.labels if pair[0] != "model")))
        told = asdict(alert)
        values = told | {"rise": int(alert.rise), "labels": canonical(alert.labels).decode()}
        tx.execute(_SQL["save_alert"], id=alert_id(alert), endpoint=endpoint, **values)
        for channel in channels:
            tx.execute(_SQL["queue"], id=alert_id(alert), channel=channel)
        ledger.append(tx, Fact(kind="alert.raised", subject=f"endpoint:{endpoint}", actor=actor, payload=told), now)


def alerts(reader: Reader, endpoint: str) -> list[Alert]:
    """Return every alert of an endpoint, oldest first."""
    return [_alert({**row, "id": None}) for row in reader.rows(_SQL["alerts"], endpoint=endpoint)]


def pending(reader: Reader) -> list[Notification]:
    """Return what is still to be delivered, oldest first."""
    return [_notification(row) for row in reader.rows(_SQL["pending"])]


def given_up(reader: Reader) -> list[dict[str, Any]]:
    """Return what was never delivered: `id` of the alert, `channel`, `attempts`, `error`, `given_up_at`."""
    return reader.rows(_SQL["given_up"])


def claim(tx: Transaction, notification: Notification, now: datetime, *, lease: timedelta = LEASE) -> str | None:
    """Take a notification for `lease`; return the claim, or None when somebody else has it or it is delivered."""
    until = iso(now + lease)
    taken = tx.execute(
        _SQL["claim"],
        id=notification.id, channel=notification.channel, until=until, seen=notification.claimed_until,
    )  # fmt: skip
    return until if taken else None


def deliver(
    db: Database,
    channels: Mapping[str, Channel],
    *,
    now: datetime,
    seconds: float = 2.0,
    actor: str = "controller",
) -> list[ChannelError]:
    """Send what is due through the channels given and return what went wrong; it never raises ChannelError.

    No transaction is open while a channel works. A crash between the delivery and its record sends the alert again,
    with the same key. A channel that fails is left alone for the rest of the call; one that does not come back in time
    goes on in a thread of its own, which writes down what became of it.

    Args:
        db: where the notifications are.
        channels: open channels by name; notifications of others wait.
        now: this moment.
        seconds: time for the whole call (the last try may exceed it by half a second); what is not sent by then
            waits for the next call.
        actor: who is named in the ledger.
    """
    began, faults, failing = time.monotonic(), [], set()
    moment = iso(now)
    for notification in pending(db):
        left = seconds - (time.monotonic() - began)
        if left <= 0:
            break
        channel = channels.get(notification.channel)
        waits = max(notification.next_at, notification.claimed_until) > moment
        if channel is None or waits or notification.channel in failing:
            continue
        with db.transaction() as tx:
            claimed = claim(tx, notification, now)
        if claimed is None:
            continue
        attempt = _Attempt(db, replace(notification, claimed_until=claimed), tuple(channels), now, actor)
        fault = attempt.make(channel, max(left, LEAST))
        if fault is not None:
            failing.add(notification.channel)
            faults.append(fault)
    return faults


class _Attempt:
    """One try to send one notification, made in a thread so that no channel can hold up its caller."""

    def __init__(
        self, db: Database, notification: Notification, channels: tuple[str, ...], now: datetime, actor: str
    ) -> None:
        self._db, self._it, self._now, self._actor = db, notification, now, actor
        self._others = [name for name in channels if name != notification.channel]
        self._outcome: SimpleQueue[ChannelError | BaseException | None] = SimpleQueue()

    def make(self, channel: Channel, seconds: float) -> ChannelError | None:
        """Return what went wrong; None when the alert was taken and that is recorded."""
        threading.Thread(target=self._send, args=(channel,), name="detent-alert", daemon=True).start()
        try:
            outcome = self._outcome.get(timeout=seconds)
        except Empty:
            with self._db.transaction() as tx:
                self._hold(tx, FIRST_PAUSE)
            return ChannelError(
                what=f"an alert is still on its way through {self._it.channel}",
                why=f"the other side has not answered within {seconds:.1f} seconds",
                fix="check that it is up; the alert stays in the outbox until it is taken",
            )
        if outcome is None or isinstance(outcome, ChannelError):
            return outcome
        raise outcome

    def _send(self, channel: Channel) -> None:
        """Send and record; whatever goes wrong is handed to the caller, if that one still waits."""
        try:
            fault = None
            try:
                channel.send(self._it.alert)
            except ChannelError as error:
                fault = error
            with self._db.transaction() as tx:
                self._record(tx, fault)
            self._outcome.put(fault)
        except BaseException as error:  # noqa: BLE001  (raised again where the caller is)
            self._outcome.put(error)

    def _record(self, tx: Transaction, fault: ChannelError | None) -> None:
        it, at = self._it, iso(self._now)
        if fault is None:
            if tx.execute(_SQL["delivered"], id=it.id, channel=it.channel, at=at):
                tx.execute(_SQL["wake"], channel=it.channel)
                self._tell(tx, "alert.delivered", {"attempts": it.attempts + 1})
            return
        pause = min(LONGEST_PAUSE, max(FIRST_PAUSE * 2 ** min(it.attempts, 20), timedelta(seconds=fault.after or 0)))
        mine = tx.execute(
            _SQL["failed"],
            id=it.id, channel=it.channel, error=fault.why, at=at, next_at=iso(self._now + pause),
            claimed=it.claimed_until,
        )  # fmt: skip
        self._hold(tx, max(FIRST_PAUSE, timedelta(seconds=min(fault.after or 0, LONGEST_PAUSE.total_seconds()))))
        if mine and it.failing_since is not None and self._now - parse(it.failing_since) >= GIVE_UP:
            self._give_up(tx, fault)

    def _hold(self, tx: Transaction, pause: timedelta) -> None:
        tx.execute(_SQL["hold"], channel=self._it.channel, next_at=iso(self._now + pause))

    def _give_up(self, tx: Transaction, fault: ChannelError) -> None:
        it = self._it
        tx.execute(_SQL["give_up"], id=it.id, channel=it.channel, at=iso(self._now))
        self._tell(tx, "alert.given_up", {"attempts": it.attempts + 1, "why": fault.why})
        key = f"{UNDELIVERED} {it.channel}"
        last = (tx.row(_SQL["last_alert"], endpoint=it.endpoint, key=key) or {})["raised_at"]
        if it.alert.key.startswith(UNDELIVERED) or (last is not None and self._now - parse(last) < QUIET):
            return
        news = Alert(
            key=key,
            severity=WARNING,
            title=f"Alerts do not arrive: {it.channel}",
            text=f"{it.channel} has taken nothing since {it.failing_since}: {fault.why}. Given up: {it.alert.title}.",
            opened_at=iso(self._now),
            at=iso(self._now),
            rise=False,
            labels=(("kind", "meta"),),
        )
        queue(tx, [news], self._others, endpoint=it.endpoint, actor=self._actor, now=self._now)

    def _tell(self, tx: Transaction, kind: str, observed: Mapping[str, object]) -> None:
        payload = {"alert": self._it.id, "key": self._it.alert.key, "channel": self._it.channel}
        subject = f"endpoint:{self._it.endpoint}"
        ledger.append(
            tx, Fact(kind=kind, subject=subject, actor=self._actor, payload=payload, observed=observed), self._now
        )


def _notification(row: dict[str, Any]) -> Notification:
    own = {name: row[name] for name in Notification.__dataclass_fields__ if name != "alert"}
    return Notification(**own, alert=_alert(row))


def _alert(row: dict[str, Any]) -> Alert:
    values = {name: row[name] for name in Alert.__dataclass_fields__}
    labels = tuple((name, value) for name, value in json.loads(row["labels"]))
    return Alert(**{**values, "rise": bool(row["rise"]), "labels": labels})
