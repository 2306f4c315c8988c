from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from detent.monitor import ChannelError, alert_id, deliver, pending, queue
from detent.monitor.channels.log import LogChannel
from detent.records.alert import Alert
from detent.store import ledger
from detent.store.database import open_database
from detent.store.migrate import migrate

T0 = datetime(2013, 3, 1, tzinfo=UTC)
ALERT = Alert(
    key="drift:temp", severity="WARNING", title="Data drifts: temp", text="`temp` has moved.",
    opened_at="2013-03-01T00:00:00.000000+00:00", at="2013-03-01T00:00:00.000000+00:00", rise=False,
)  # fmt: skip


class Broken:
    """A channel whose other side is down until it is mended."""

    def __init__(self):
        self.down = True
        self.got = []

    def send(self, alert):
        if self.down:
            raise ChannelError(what="not delivered", why="it is down", fix="mend it")
        self.got.append(alert)


@pytest.fixture
def db(tmp_path):
    database = open_database(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.monitor"])
    yield database
    database.close()


def put(db, *alerts, channels=("log",)):
    with db.transaction() as tx:
        queue(tx, alerts, channels, endpoint="flights", actor="test", now=T0)


def test_an_alert_waits_until_every_channel_has_taken_it(db, tmp_path):
    broken = Broken()
    channels = {"log": LogChannel(tmp_path / "alerts.log"), "hook": broken}
    put(db, ALERT, channels=channels)
    (fault,) = deliver(db, channels, now=T0)
    assert fault.why == "it is down"
    (waiting,) = pending(db)
    assert (waiting.channel, waiting.attempts, waiting.error, waiting.alert) == ("hook", 1, "it is down", ALERT)
    broken.down = False
    assert deliver(db, channels, now=T0) == []
    assert broken.got == [ALERT]
    assert pending(db) == []
    assert len((tmp_path / "alerts.log").read_text().splitlines()) == 1


def test_an_alert_queued_twice_is_sent_once_and_told_once(db, tmp_path):
    put(db, ALERT)
    put(db, ALERT)
    assert [n.id for n in pending(db)] == [alert_id(ALERT)]
    assert [event.kind for event in ledger.read(db)] == ["alert.raised"]


def test_a_rolled_back_change_sends_nothing(db):
    with pytest.raises(RuntimeError, match="crash"), db.transaction() as tx:
        queue(tx, [ALERT], ["log"], endpoint="flights", actor="test", now=T0)
        raise RuntimeError("crash")
    assert pending(db) == []
    assert list(ledger.read(db)) == []


def test_a_channel_that_never_works_is_given_up_and_others_go_on(db):
    broken, works = Broken(), Broken()
    works.down = False
    put(db, ALERT, channels=("broken", "works"))
    faults = [deliver(db, {"broken": broken, "works": works}, now=T0) for _ in range(12)]
    assert [len(found) for found in faults] == [1] * 10 + [0, 0]
    assert works.got == [ALERT]


def test_alerts_of_a_channel_that_is_not_configured_any_more_wait(db):
    put(db, ALERT, channels=("gone",))
    assert deliver(db, {}, now=T0) == []
    assert len(pending(db)) == 1


def test_different_alerts_have_different_ids_and_the_same_alert_one():
    others = [replace(ALERT, severity="CRITICAL"), replace(ALERT, rise=True), replace(ALERT, key="drift:wind")]
    assert len({alert_id(alert) for alert in (ALERT, *others, replace(ALERT))}) == 4
