"""What other hosts answered is in the log of the host with the controller, once, and decisions are made from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from detent.cli.main import cli
from detent.cli.overview import overview
from detent.errors import StoreError
from detent.loop.champion import champion_version
from detent.loop.controller import Controller
from detent.loop.expire import FOR_OTHERS, tend
from detent.loop.hosts.publish import AWAY_SECONDS
from detent.loop.hosts.sending import Sending
from detent.loop.hosts.setting_aside import AGAIN, ASIDE, LOST, TAKEN, replace_older
from detent.loop.hosts.taking import GIVEN_UP, LATE, PATIENCE, Taking
from detent.loop.releases.release import advance, release
from detent.loop.report.monitor import collect
from detent.loop.report.monitor_page import monitor_html
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.train import submit
from detent.loop.watching.gauges import render
from detent.loop.watching.watch import due_windows, watch, windows_in_turn
from detent.loop.workspace import ServingHost, Workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.predictions import parcels, places, read, seal
from detent.predictions.pack import Contents
from detent.predictions.parcels_aside import parcels_aside
from detent.records.event import Event
from detent.rollout import store as rollouts
from detent.serving import hosts
from detent.serving.places import profiles
from detent.statistics.days import day_to_bytes
from detent.statistics.granules import count
from detent.statistics.layout import OUTPUT, layout_of
from detent.store import ledger
from detent.store.blobs.naming import name_of
from detent.store.clock import iso, parse

from .answering import Answer, Answering, plain

AGO = timedelta(seconds=5)


class Pair:
    """A host with a controller, and one that only serves, each with one process that answers."""

    def __init__(self, first: Workspace, second: ServingHost) -> None:
        self.first, self.second, self.told = first, second, list[str]()
        for ws in (first, second):
            with ws.db.transaction() as tx:
                hosts.enrol(tx, ws.state, "shop", ws.now())
                tx.execute("UPDATE serving_hosts SET state = 'serving'")
        self.here, self.there = Answering(first, site=1), Answering(second, site=2)
        self.taking = self.new_taking()
        self.taking.take()
        self.sending = Sending(second, tell=self.told.append, keeps=False)

    def new_taking(self) -> Taking:
        """What a controller that starts now has."""
        return Taking(self.first, tell=self.told.append)

    def ids(self) -> list[str]:
        """Return the ids of what the first host knows, each as often as it is read."""
        return read(self.first.state)["id"].to_list()

    def lost(self) -> list[str]:
        """Return why answers were lost."""
        return [event.payload["why"] for event in self.events(LOST)]

    def events(self, kind: str) -> list[Event]:
        """Return the events of a kind."""
        return list(ledger.read(self.first.db, kind=kind))

    def blobs(self) -> list[Path]:
        """Return the blobs of parcels."""
        found = [one.digest for one in parcels.older(self.first.db, self.first.now() + timedelta(days=1))]
        return [self.first.state / "blobs" / name_of(digest) for digest in found]


@pytest.fixture
def pair(first: Workspace, second: ServingHost) -> Pair:
    return Pair(first, second)


def test_answers_of_both_hosts_are_read_once_and_nothing_is_left_behind(pair: Pair) -> None:
    said = pair.here.say(plain(2)) + pair.there.say(plain(3))
    assert pair.sending.send() == 1
    pair.taking.take()
    pair.taking.take()
    assert sorted(pair.ids()) == sorted(said)
    said += pair.there.say(plain(2))
    pair.there.writer.seal()
    pair.sending.send()
    pair.taking.take()
    seal(places.segments(pair.first.state), places.parquet(pair.first.state))
    assert sorted(pair.ids()) == sorted(said)
    assert pair.blobs() == []
    assert list(places.segments(pair.second.state).glob("*.sealed")) == []
    assert pair.lost() == []


def test_nothing_is_sent_before_somebody_asks_and_then_all_of_it(first: Workspace, second: ServingHost) -> None:
    with second.db.transaction() as tx:
        hosts.enrol(tx, second.state, "shop", second.now())
    sending = Sending(second, tell=print, keeps=False)
    said = Answering(second, site=1).say(plain(3))
    assert sending.send() == 0
    taking = Taking(first, tell=print)
    taking.take()
    sending.send()
    taking.take()
    assert read(first.state)["id"].to_list() == said


def test_a_crash_between_the_rows_and_the_note_that_they_are_taken_counts_them_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = pair.there.say(plain(3))
    pair.sending.send()
    with monkeypatch.context() as patch:
        patch.setattr(parcels, "mark_taken", _dies)
        with pytest.raises(KeyboardInterrupt):
            pair.taking.take()
    assert pair.ids() == said
    pair.new_taking().take()
    assert pair.ids() == said
    seal(places.segments(pair.first.state), places.parquet(pair.first.state))
    assert pair.ids() == said


def test_a_crash_between_the_blob_and_its_announcement_sends_the_rows_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = pair.there.say(plain(3))
    with monkeypatch.context() as patch:
        patch.setattr(parcels, "send", _dies)
        with pytest.raises(KeyboardInterrupt):
            pair.sending.send()
    assert parcels.waiting_for(pair.first.db, hosts.own_id(pair.first.state)) == []
    Sending(pair.second, tell=print, keeps=False).send()
    pair.taking.take()
    assert pair.ids() == said


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_damaged_parcel_is_set_aside_and_told_once_and_the_next_one_is_taken(pair: Pair) -> None:
    pair.there.say(plain(3))
    pair.sending.send()
    damaged = pair.blobs()[0]
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-20])
    said = pair.there.say(plain(2))
    pair.sending.send()
    pair.taking.take()
    assert pair.ids() == said
    pair.taking.take()
    assert len(pair.events(ASIDE)) == 1
    assert len(pair.events("alert.raised")) == 1
    assert damaged.exists()


def test_rows_that_somebody_without_the_secret_wrote_are_not_taken(pair: Pair) -> None:
    pair.there.say(plain(3))
    pair.sending.send()
    with pair.first.db.transaction() as tx:
        tx.execute("UPDATE log_parcels SET mac = '00'")
    pair.taking.take()
    assert pair.ids() == []
    assert [event.payload["why"] for event in pair.events(ASIDE)] == ["no host with this project's secret has made it"]


def test_what_was_set_aside_is_taken_once_when_its_cause_is_mended(pair: Pair) -> None:
    said = pair.there.say(plain(3))
    pair.sending.send()
    damaged = pair.blobs()[0]
    whole = damaged.read_bytes()
    damaged.chmod(0o600)
    damaged.write_bytes(whole[:-20])
    first = pair.taking.take()
    damaged.write_bytes(whole)
    said += pair.there.say(plain(2))
    pair.sending.send()
    assert pair.taking.take().gaps == first.gaps != ()  # it is not tried at every look
    assert len(pair.ids()) == 2
    now = pair.first.now()
    assert first.lacking(now, first.gaps[0].since) == pair.taking.take().lacking(first.gaps[0].until)
    assert "1 parcel of its answers set aside" in shown(pair.first)
    assert "parcel 1 " in CliRunner().invoke(cli, ["-C", str(pair.first.folder), "hosts", "aside"]).output
    done = CliRunner().invoke(cli, ["-C", str(pair.first.folder), "hosts", "retake"])
    assert done.output == "1 parcel is tried again at the next look of `detent up`\n"
    heard = pair.taking.take()
    assert (heard.gaps, heard.late) == ((), True)
    assert sorted(pair.ids()) == sorted(said)
    assert (len(pair.events(TAKEN)), len(pair.events(ASIDE)), pair.lost()) == (1, 1, [])
    pair.taking.take()
    assert (pair.blobs(), parcels_aside(pair.first.db)) == ([], [])
    assert sorted(pair.ids()) == sorted(said)


def test_a_blob_that_comes_back_after_hours_is_taken_at_the_next_try(pair: Pair) -> None:
    said = pair.there.say(plain(3))
    pair.sending.send()
    blob = pair.blobs()[0]
    blob.rename(blob.with_name("away"))
    late = Taking(replace(pair.first, clock=At(pair.first, GIVEN_UP + AGO)), tell=pair.told.append)
    late.take()
    assert (len(pair.events(ASIDE)), pair.ids()) == (1, [])
    blob.with_name("away").rename(blob)
    later = Taking(replace(pair.first, clock=At(pair.first, GIVEN_UP + 2 * AGAIN)), tell=pair.told.append)
    later.take()
    assert pair.ids() == said


def test_counts_of_a_parcel_that_was_aside_replace_no_newer_ones(pair: Pair) -> None:
    hour = datetime(2026, 1, 1, 5, tzinfo=UTC)
    layout = layout_of({OUTPUT: [0.1, 0.9]}, [])
    few, many = (day_to_bytes({hour: count(layout, {}, [0.5] * rows)}) for rows in (2, 3))
    mine = profiles(pair.first.state) / "2026-01-01"
    mine.mkdir(parents=True)
    for there, brought, kept in ((many, few, many), (few, many, many), (b"damaged", few, few), (None, few, few)):
        path = mine / "shop-1-w0-aa.host2.bin"
        path.unlink(missing_ok=True)
        if there is not None:
            path.write_bytes(there)
        found = replace_older(Contents([], {"2026-01-01/shop-1-w0-aa.bin": brought}), mine.parent, "host2")
        assert list(found.counts.values()) == ([] if kept == there else [brought])


def test_parcels_that_nobody_could_take_are_lost_only_when_the_log_is_kept_no_longer(pair: Pair) -> None:
    pair.there.say(plain(3))
    pair.sending.send()
    with pair.first.db.transaction() as tx:
        tx.execute("UPDATE log_parcels SET mac = '00'")
    pair.taking.take()
    tend(pair.first)
    assert len(parcels_aside(pair.first.db)) == 1
    tend(replace(pair.first, clock=At(pair.first, FOR_OTHERS + AGO)))
    assert (parcels_aside(pair.first.db), pair.blobs()) == ([], [])
    assert pair.lost() == ["it was aside: no host with this project's secret has made it"]


def test_blobs_that_can_not_be_reached_keep_nobody_from_deciding_and_are_taken_later(pair: Pair) -> None:
    said = pair.there.say(plain(3))
    pair.sending.send()
    blob = pair.blobs()[0]
    blob.rename(blob.with_name("aside"))
    heard = pair.taking.take()
    assert pair.ids() == []
    assert [name[:6] for name in heard.lacking(pair.first.now())] == ["host 2"]
    assert len([line for line in pair.told if "can't be read yet" in line]) == 1
    blob.with_name("aside").rename(blob)
    pair.taking.take()
    assert (pair.ids(), pair.lost()) == (said, [])


def test_windows_wait_for_a_host_that_sends_and_not_for_one_that_is_away(pair: Pair) -> None:
    pair.sending.send()
    heard = pair.taking.take()
    assert pair.first.now() - timedelta(seconds=30) < heard.until < pair.first.now()
    assert heard.lacking(heard.until) == ()
    assert len(heard.lacking(pair.first.now())) == 1
    later = replace(pair.first, clock=At(pair.first, PATIENCE + AGO))
    heard = Taking(later, tell=print).take()  # it lives, and has sent nothing for a minute
    assert later.now() - heard.until < AGO
    assert len(heard.lacking(heard.until)) == 1
    with pair.first.db.transaction() as tx:
        assert hosts.mark_away(tx, hosts.hosts(pair.first.db, "shop")[1])
    heard = pair.new_taking().take()
    assert pair.first.now() - heard.until < timedelta(seconds=1)
    assert len(heard.lacking(pair.first.now())) == 1


def test_a_host_that_says_nothing_is_waited_for_a_few_seconds(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.sending.send()
    sent = parcels.sent_of(pair.first.db, hosts.own_id(pair.second.state)).until
    assert iso(pair.taking.take().until) == sent
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + AWAY_SECONDS + 1)
    assert iso(pair.taking.take().until) > sent


def test_a_version_gets_no_more_traffic_while_a_host_answers_and_sends_nothing(
    pair: Pair, rollout: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.sending.send()
    assert pair.taking.take().silent == ()
    later = time.monotonic() + PATIENCE.total_seconds() + 1
    with pair.first.db.transaction() as tx:
        hosts.beat(tx, hosts.own_id(pair.second.state), pair.second.now())
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: later)
        heard = pair.taking.take()
    assert [name[:6] for name in heard.silent] == ["host 2"]
    ws = replace(pair.first, clock=At(pair.first, timedelta(days=1)))
    ws = replace(ws, project=replace(ws.project, rollout=replace(ws.project.rollout, min_requests=20, min_entities=1)))
    Answering(ws, site=1).say(canary(400), ago=timedelta(hours=23))
    stage = rollouts.current(ws.db, "shop")
    assert stage is not None
    for forward, moved in ((False, 0), (True, 1)):
        after = advance(ws, NeighbourGateway(ws), forward=forward)
        assert after is not None
        assert after.stage == stage.stage + moved, after.reason


def test_what_a_host_counted_is_taken_beside_what_this_one_counted(pair: Pair) -> None:
    for ws, data in ((pair.first, b"own"), (pair.second, b"theirs")):
        folder = profiles(ws.state) / "2026-01-01"
        folder.mkdir(parents=True)
        (folder / "shop-1-w0-aa.bin").write_bytes(data)
    pair.sending.send()
    pair.taking.take()
    found = {path.name: path.read_bytes() for path in (profiles(pair.first.state) / "2026-01-01").iterdir()}
    assert found == {"shop-1-w0-aa.bin": b"own", "shop-1-w0-aa.host2.bin": b"theirs"}


def test_two_controllers_take_from_each_other_and_from_everybody_else(
    pair: Pair, tmp_path: Path, first: Workspace
) -> None:
    third = replace(first, state=tmp_path / "third")
    places.segments(third.state).mkdir(parents=True)
    (third.state / "keys").symlink_to(first.state / "keys")
    with third.db.transaction() as tx:
        hosts.enrol(tx, third.state, "shop", third.now())
    other = Taking(third, tell=print)
    other.take()
    sendings = [pair.sending, *(Sending(ws, tell=print, keeps=True) for ws in (first, third))]
    for one in sendings:
        one.send()
    said = pair.here.say(plain(2)) + pair.there.say(plain(3)) + Answering(third, site=3).say(plain(4))
    pair.here.writer.seal()
    seal(places.segments(first.state), places.parquet(first.state))  # before it was sent
    for one in sendings:
        one.send()
    for taking in (pair.taking, other, pair.taking):
        taking.take()
    assert sorted(read(first.state)["id"]) == sorted(read(third.state)["id"]) == sorted(said)
    assert pair.blobs() == []
    assert [
        path for folder in (first, third) for path in places.outgoing(places.segments(folder.state)).iterdir()
    ] == []


def test_answers_that_nobody_comes_for_are_not_kept_for_ever(pair: Pair) -> None:
    pair.there.say(plain(3))
    pair.sending.send()
    blob = pair.blobs()[0]
    tend(pair.first)
    assert blob.exists()
    tend(replace(pair.first, clock=At(pair.first, FOR_OTHERS + AGO)))
    assert not blob.exists()
    assert not parcels.is_needed(pair.second.db, hosts.own_id(pair.second.state))


def test_a_host_stops_to_send_when_too_much_waits_and_goes_on_afterwards(pair: Pair) -> None:
    serving = pair.second.project.serving
    small = replace(pair.second.project, serving=replace(serving, log=replace(serving.log, max_bytes=200)))
    sending = Sending(replace(pair.second, project=small), tell=pair.told.append, keeps=False)
    said = pair.there.say(plain(3))
    sending.send()
    said += pair.there.say(plain(3))
    with pytest.raises(StoreError, match="do not take what this one sends"):
        sending.send()
    pair.taking.take()
    sending.send()
    pair.taking.take()
    assert sorted(pair.ids()) == sorted(said)


@pytest.fixture
def rollout(pair: Pair, executor: LocalExecutor) -> Iterator[Controller]:
    """A canary of version 2, and the controller that decides about it."""
    ws = pair.first
    verdict, version = submit(ws, spoiled(ws, champion_version(ws), "raising"), ingest_all(ws, ws.now()))
    assert version is not None, verdict.reason
    release(ws, NeighbourGateway(ws), version.number, reason="test", hotfix=True)
    return Controller(ws, NeighbourGateway(ws), executor, tell=pair.told.append)


def canary(count: int, *, failing: int = 0) -> list[Answer]:
    """Return answers of both versions; the last ones of version 2 have failed."""
    old = [Answer(version=1, share=0.9, caller=f"a{number}") for number in range(9 * count)]
    return old + [
        Answer(version=2, share=0.1, failed=number >= count - failing, caller=f"b{number}") for number in range(count)
    ]


def test_a_canary_that_fails_on_the_other_host_only_is_rolled_back(pair: Pair, rollout: Controller) -> None:
    pair.here.say(canary(30))
    rollout.take()
    rollout.look_at_rollout()
    assert not pair.told
    pair.there.say(canary(30, failing=25))
    pair.sending.send()
    rollout.take()
    rollout.look_at_rollout()
    assert "rolled" in str([event.kind for event in ledger.read(pair.first.db, kind="rollout")][-1])


def test_answers_that_come_late_are_counted_and_none_twice(pair: Pair, rollout: Controller) -> None:
    pair.here.say(canary(2), ago=3 * LATE)
    before = pair.there.say(canary(3), ago=3 * LATE)
    with pair.first.db.transaction() as tx:
        began = iso(pair.first.now() - 4 * LATE)
        tx.execute("UPDATE rollouts SET started_at = :began, stage_since = :began", began=began)
    rollout.take()
    rollout.look_at_rollout()
    assert _requests(pair) == 2
    pair.sending.send()
    for _ in range(2):
        rollout.take()
        rollout.look_at_rollout()
        assert _requests(pair) == 5
    assert set(before) <= set(pair.ids())


def _requests(pair: Pair) -> int:
    """How many answers of the candidate the last look counted."""
    running = rollouts.current(pair.first.db, "shop")
    assert running is not None
    seen = rollouts.latest_look(pair.first.db, running.id)
    assert seen is not None
    return sum(tally.candidate.requests for tally in seen[1].tallies)


def test_a_window_that_was_judged_without_a_host_says_so(pair: Pair) -> None:
    ws = pair.first
    hour, two = timedelta(hours=1), timedelta(hours=2)
    ws = replace(ws, project=replace(ws.project, monitor=replace(ws.project.monitor, window=hour)))
    pair.sending.send()
    heard = replace(Taking(ws, tell=print).take(), until=ws.now() + two)
    window = next(windows_in_turn(replace(ws, clock=At(ws, two)), heard))
    watch(ws, window, lacking=heard.lacking(window.end))
    name = heard.hosts[0][0]
    assert [row.lacking for row in collect(ws).windows] == [(name,)]
    assert f"lack answers of {name}" in monitor_html(collect(ws))
    assert f"its answers are here up to {iso(ws.now())[:10]}" in shown(ws)


def shown(ws: Workspace) -> str:
    """Return the screen of `detent status`."""
    console = Console(width=200, record=True, file=StringIO())
    console.print(overview(ws))
    return console.export_text()


def test_windows_that_lacked_a_host_are_judged_again_by_the_controller_when_it_sends(
    pair: Pair, executor: LocalExecutor
) -> None:
    later = 3 * timedelta(hours=1)
    ws = replace(pair.first, clock=At(pair.first, later))
    monitor = replace(ws.project.monitor, window=timedelta(hours=1))
    ws = replace(ws, project=replace(ws.project, monitor=monitor))
    pair.sending.send()
    with pair.first.db.transaction() as tx:
        assert hosts.mark_away(tx, hosts.hosts(pair.first.db, "shop")[1])
    said = pair.there.say(plain(4), ago=-timedelta(minutes=90))
    controller = Controller(ws, NeighbourGateway(ws), executor, tell=pair.told.append)
    controller.look()
    lacking = [event.payload["start"] for event in pair.events("window.watched") if event.payload.get("lacking")]
    assert len(lacking) >= 2
    Sending(replace(pair.second, clock=At(pair.second, later)), tell=print, keeps=False).send()
    for _ in range(2):
        controller.look()
        again = [one.payload for one in pair.events("window.rejudged") if one.subject == "traffic:shop"]
        assert [one["start"] for one in again] == lacking
        assert sum(one["rows"] for one in again) == len(said)


def test_prometheus_is_told_how_far_the_answers_of_each_host_are_here(pair: Pair) -> None:
    def gauges() -> dict[str, float]:
        found = text_string_to_metric_families(render(pair.first).decode())
        return {one.name: one.samples[0].value for one in found if one.name.startswith("detent_host") and one.samples}

    pair.there.say(plain(2))
    pair.sending.send()
    blob = pair.blobs()[0]
    whole = blob.read_bytes()
    assert gauges()["detent_host_parcels_waiting"] == 1
    blob.chmod(0o600)
    blob.write_bytes(whole[:-20])
    pair.taking.take()
    told = gauges()
    assert (told["detent_host_parcels_waiting"], told["detent_host_parcels_aside"]) == (0, 1)
    sent = parcels.sent_of(pair.first.db, hosts.own_id(pair.second.state))
    assert told["detent_host_answers_timestamp_seconds"] == parse(sent.until).timestamp()
    assert "detent_host" not in render(replace(pair.first, shared=False)).decode()


def test_a_window_is_not_judged_before_the_other_hosts_answers_are_here(pair: Pair) -> None:
    ws = replace(pair.first, clock=At(pair.first, timedelta(days=40)))
    heard = Taking(pair.first, tell=print).take()
    assert len(due_windows(ws)) > 0
    assert due_windows(ws, replace(heard, until=pair.first.now())) == []


class At:
    """A clock that is ahead."""

    def __init__(self, ws: Workspace, ahead: timedelta) -> None:
        self._clock, self._ahead = ws.clock, ahead

    def now(self):
        return self._clock.now() + self._ahead
