from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detent.monitor import ChannelError, alert_id, deliver, pending, queue
from detent.monitor.channels.log import LogChannel
from detent.monitor.outbox import GIVE_UP, LEASE, LONGEST_PAUSE, UNDELIVERED, alerts, given_up
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
def db(databases, tmp_path):
    database = databases.open(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.monitor"])
    return database


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
    assert (waiting.channel, waiting.attempts, waiting.error) == ("hook", 1, "it is down")
    assert waiting.alert == replace(ALERT, labels=(("model", "flights"),))
    broken.down = False
    assert deliver(db, channels, now=T0 + timedelta(seconds=30)) == []
    assert [alert_id(alert) for alert in broken.got] == [alert_id(ALERT)]
    assert pending(db) == []
    assert len((tmp_path / "alerts.log").read_text().splitlines()) == 1
    assert [event.kind for event in ledger.read(db)] == ["alert.raised", "alert.delivered", "alert.delivered"]


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


def test_pauses_between_tries_double_up_to_six_hours(db):
    channel, tries = Broken(), []
    put(db, ALERT, channels=("hook",))
    for minute in range(2 * 24 * 60):
        now = T0 + timedelta(minutes=minute / 2)
        if deliver(db, {"hook": channel}, now=now):
            tries.append(now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses[:4] == [timedelta(seconds=seconds) for seconds in (30, 60, 120, 240)]
    assert pauses[-1] <= LONGEST_PAUSE
    assert pauses == sorted(pauses)


def test_an_outage_of_six_hours_loses_nothing_and_all_goes_out_soon_after_it(db):
    hook, sent = Broken(), []
    for minute in range(0, 420):
        now = T0 + timedelta(minutes=minute)
        if minute % 10 == 0:
            at = now.isoformat(timespec="microseconds")
            put(db, replace(ALERT, at=at, key=f"drift:{minute}"), channels=("hook",))
            sent.append(f"drift:{minute}")
        hook.down = minute < 360
        deliver(db, {"hook": hook}, now=now)
        if minute == 400:
            assert {alert.key for alert in hook.got} == {key for key in sent if int(key[6:]) <= 400}
    assert sorted(alert.key for alert in hook.got) == sorted(sent)
    assert pending(db) == []


def test_one_notification_that_is_refused_does_not_keep_the_others(db):
    class Picky(Broken):
        def send(self, alert):
            self.down = alert.key == "drift:poison"
            super().send(alert)

    picky = Picky()
    put(
        db,
        replace(ALERT, key="drift:poison"),
        *(replace(ALERT, key=f"drift:{n}") for n in range(20)),
        channels=("hook",),
    )
    for minute in range(30):
        deliver(db, {"hook": picky}, now=T0 + timedelta(minutes=minute))
    assert len(picky.got) == 20
    assert [waiting.alert.key for waiting in pending(db)] == ["drift:poison"]


def test_a_channel_that_fails_for_three_days_is_given_up_and_the_other_one_tells_it_once(db):
    broken, works = Broken(), Broken()
    works.down = False
    channels = {"broken": broken, "works": works}
    put(db, ALERT, replace(ALERT, key="drift:wind"), channels=channels)
    now = T0
    while now < T0 + GIVE_UP + timedelta(days=1):
        deliver(db, channels, now=now)
        now += timedelta(minutes=10)
    assert [row["channel"] for row in given_up(db)] == ["broken", "broken"]
    assert pending(db) == []
    assert [alert.key for alert in works.got] == ["drift:temp", "drift:wind", f"{UNDELIVERED} broken"]
    assert "it is down" in works.got[-1].text
    kinds = [event.kind for event in ledger.read(db)]
    assert kinds.count("alert.given_up") == 2
    assert [alert.key for alert in alerts(db, "flights")][-1] == f"{UNDELIVERED} broken"


def test_the_news_that_alerts_do_not_arrive_is_not_told_of_itself(db):
    broken = Broken()
    put(db, replace(ALERT, key=f"{UNDELIVERED} hook"), channels=("other",))
    now = T0
    while now < T0 + GIVE_UP + timedelta(days=1):
        deliver(db, {"other": broken, "third": Broken()}, now=now)
        now += timedelta(hours=1)
    assert len(alerts(db, "flights")) == 1


def test_two_deliverers_send_each_alert_once(db, databases, tmp_path):
    got, gate = [], threading.Barrier(2)

    class Slow:
        def send(self, alert):
            got.append(alert.key)
            time.sleep(0.001)

    put(db, *(replace(ALERT, key=f"drift:{n}") for n in range(40)))
    other = databases.open(tmp_path / "detent.db")

    def run(database):
        gate.wait()
        deliver(database, {"log": Slow()}, now=T0, seconds=20)

    threads = [threading.Thread(target=run, args=(database,)) for database in (db, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(f"drift:{n}" for n in range(40))
    assert pending(db) == []


class Hanging:
    """A channel whose other side takes the connection and says nothing until it is let go."""

    def __init__(self):
        self.go, self.got = threading.Event(), []

    def send(self, alert):
        self.go.wait(20)
        self.got.append(alert)


def test_a_hanging_channel_holds_a_tick_for_two_and_a_half_seconds_at_most_and_others_go_on(db):
    hanging, works = Hanging(), Broken()
    works.down = False
    channels = {"a": hanging, "z": works}
    put(db, *(replace(ALERT, key=f"drift:{n}") for n in range(3)), channels=channels)
    began = time.monotonic()
    (fault,) = deliver(db, channels, now=T0, seconds=0.6)
    assert time.monotonic() - began <= 0.6 + 0.5
    assert "has not answered" in fault.why
    assert deliver(db, channels, now=T0 + timedelta(seconds=1), seconds=0.6) == []
    assert len(works.got) == 3
    assert [waiting.channel for waiting in pending(db)] == ["a", "a", "a"]
    hanging.go.set()
    until = time.monotonic() + 10
    while len(pending(db)) != 2 and time.monotonic() < until:
        time.sleep(0.005)
    deliver(db, channels, now=T0 + timedelta(seconds=2))  # the channel is back: what waited for it goes at once
    assert sorted(alert.key for alert in hanging.got) == ["drift:0", "drift:1", "drift:2"]
    assert pending(db) == []


def test_who_dies_while_sending_keeps_a_notification_for_its_lease_only(db):
    class Dead(BaseException):
        pass

    class Fatal:
        def send(self, alert):
            raise Dead

    put(db, ALERT)
    with pytest.raises(Dead):
        deliver(db, {"log": Fatal()}, now=T0)
    works = Broken()
    works.down = False
    deliver(db, {"log": works}, now=T0 + LEASE / 2)
    assert works.got == []
    deliver(db, {"log": works}, now=T0 + LEASE)
    assert len(works.got) == 1


def test_a_channel_that_asks_for_a_pause_gets_it(db):
    class Busy(Broken):
        def send(self, alert):
            if self.down:
                error = ChannelError(what="not delivered", why="it answered 429", fix="wait")
                error.after = 600.0
                raise error
            self.got.append(alert)

    busy = Busy()
    put(db, ALERT, replace(ALERT, key="drift:wind"), channels=("hook",))
    deliver(db, {"hook": busy}, now=T0)
    busy.down = False
    deliver(db, {"hook": busy}, now=T0 + timedelta(seconds=599))
    assert busy.got == []
    deliver(db, {"hook": busy}, now=T0 + timedelta(seconds=600))
    assert len(busy.got) == 2


def test_alerts_of_a_channel_that_is_not_configured_any_more_wait(db):
    put(db, ALERT, channels=("gone",))
    assert deliver(db, {}, now=T0) == []
    assert len(pending(db)) == 1


def test_different_alerts_have_different_ids_and_the_same_alert_one():
    others = [replace(ALERT, severity="CRITICAL"), replace(ALERT, rise=True), replace(ALERT, key="drift:wind")]
    assert len({alert_id(alert) for alert in (ALERT, *others, replace(ALERT))}) == 4


class Dying(BaseException):
    """The process dies."""


class World:
    """A receiver that knows repeats by their key, and a channel to it that fails as it is told."""

    def __init__(self, faults):
        self.faults, self.keys, self.calls = list(faults), [], 0

    def send(self, alert):
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else "fine"
        if fault == "refused":
            raise ChannelError(what="not delivered", why="refused", fix="wait")
        self.keys.append(alert_id(alert))
        if fault == "lost answer":
            raise ChannelError(what="not delivered", why="it answered 500 after it had taken it", fix="wait")
        if fault == "dies":
            raise Dying


@given(st.lists(st.sampled_from(["fine", "refused", "lost answer", "dies"]), max_size=12), st.integers(1, 4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_fails_each_alert_arrives_and_repeats_carry_its_key(tmp_path_factory, faults, count):
    play_faults(tmp_path_factory.mktemp("world"), faults, count)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@given(st.lists(st.sampled_from(["fine", "refused", "lost answer", "dies"]), max_size=12), st.integers(1, 4))
@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_thousand_sequences_of_faults_lose_nothing(tmp_path_factory, faults, count):
    play_faults(tmp_path_factory.mktemp("world"), faults, count)


def play_faults(folder, faults, count):
    db = open_database(folder / "detent.db")
    migrate(db, ["detent.store", "detent.monitor"])
    world, sent = World(faults), [replace(ALERT, key=f"drift:{n}") for n in range(count)]
    put(db, *sent, channels=("hook",))
    now, repeats = T0, sum(fault in ("lost answer", "dies") for fault in faults)
    while pending(db) and now < T0 + GIVE_UP:
        try:
            deliver(db, {"hook": world}, now=now)
        except Dying:
            db.close()
            db = open_database(folder / "detent.db")
        now += timedelta(seconds=45)
    assert pending(db) == []
    assert set(world.keys) == {alert_id(alert) for alert in sent}
    assert len(world.keys) <= count + repeats
    delivered = [event.payload["alert"] for event in ledger.read(db, kind="alert.delivered")]
    assert sorted(delivered) == sorted(alert_id(alert) for alert in sent)
    db.close()


def test_labels_and_alerts_come_back_as_they_were(db):
    labelled = replace(ALERT, labels=(("kind", "drift"), ("version", "3")))
    put(db, labelled)
    (stored,) = alerts(db, "flights")
    assert stored == replace(labelled, labels=(("model", "flights"), ("kind", "drift"), ("version", "3")))
    (event,) = ledger.read(db)
    assert json.loads(json.dumps(event.payload["labels"])) == [
        ["model", "flights"],
        ["kind", "drift"],
        ["version", "3"],
    ]


def test_a_channel_that_fails_is_left_alone_for_the_rest_of_the_call(db):
    broken, works = Broken(), Broken()
    works.down = False
    put(db, *(replace(ALERT, key=f"drift:{n}") for n in range(5)), channels=("a", "b"))
    assert len(deliver(db, {"a": broken, "b": works}, now=T0)) == 1
    assert len(works.got) == 5
