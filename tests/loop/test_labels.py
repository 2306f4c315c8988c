"""Labels out of files and databases: each once, in any order, before and after their prediction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import polars as pl
import pytest

from detent.cli.overview import overview
from detent.loop.controller import Controller
from detent.loop.labelling.label_faults import unread
from detent.loop.labelling.labels import collect
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import Workspace, virtual_clock
from detent.pipeline.executors.protocol import Executor
from detent.predictions import LabelCounts, labels_of, orphans, places
from detent.records.prediction import Prediction
from detent.records.project import LabelSource
from detent.store import ledger
from detent.store.clock import iso
from detent.store.segments import SegmentWriter

HOUR = timedelta(hours=1)


class Feed:
    """A project that reads `labels.parquet` each hour."""

    def __init__(self, ws: Workspace, *, field: str = "id") -> None:
        self.start = ws.now()
        self._clock = virtual_clock(ws.state, self.start)
        source = LabelSource(source="labels.parquet", field=field, name="order", value="late", at="told")
        monitor = replace(ws.project.monitor, labels=(source,))
        self.ws = replace(ws, project=replace(ws.project, monitor=monitor), clock=self._clock)
        self._writer = SegmentWriter(places.segments(ws.state), "w0")

    def serve(self, *numbers: int, request: str = "", entity: str = "") -> list[str]:
        ids = [f"{number:040x}" for number in numbers]
        rows = [
            Prediction(
                id=name, time=iso(self.start), endpoint=self.ws.project.serving.endpoint, route_seq=1, version=1,
                served_by=1, arm="live", propensity=1.0, entity=entity or name, inputs={}, score=0.5, status="ok",
                error="", service_seconds=0.0, request=request,
            )
            for name in ids
        ]  # fmt: skip
        self._writer.append([msgspec.json.encode(row) for row in rows])
        return ids

    def write(self, rows: list[tuple[str, float | None, float]]) -> None:
        """Write the file: (name, value, hours after the start at which it was known)."""
        frame = pl.DataFrame(
            {"order": [row[0] for row in rows], "late": [row[1] for row in rows],
             "told": [self.start + row[2] * HOUR for row in rows]}
        )  # fmt: skip
        frame.write_parquet(self.ws.folder / "labels.parquet")

    def collect(self, hours: float) -> LabelCounts:
        self._clock.set(self.start + hours * HOUR)
        return collect(self.ws)

    def known(self, *ids: str) -> list[float | None]:
        frame = labels_of(self.ws.db, pl.Series(ids))
        return [dict(frame.select("id", "label").iter_rows()).get(name) for name in ids]


@pytest.fixture
def feed(served: Workspace) -> Feed:
    return Feed(served)


def events(feed: Feed, kind: str) -> list[dict[str, object]]:
    return [dict(event.payload) for event in ledger.read(feed.ws.db, kind=kind)]


def test_a_file_is_read_when_it_is_due_and_each_label_counts_once(feed: Feed) -> None:
    one, two = feed.serve(1, 2)
    feed.write([(one, 1.0, 0.0), (two, None, 0.0)])
    assert feed.collect(0.5) == LabelCounts(new=1)
    assert feed.collect(0.9) == LabelCounts()  # not due
    assert feed.collect(1.6) == LabelCounts()  # the same file: nothing is looked at again
    feed.write([(one, 1.0, 0.0), (two, 0.0, 1.0)])
    assert feed.collect(2.7) == LabelCounts(new=1, duplicate=1)
    assert feed.known(one, two) == [1.0, 0.0]
    assert [event["new"] for event in events(feed, "labels.recorded")] == [1, 1]


def test_the_truth_of_the_future_waits_in_its_file(feed: Feed) -> None:
    (one,) = feed.serve(1)
    feed.write([(one, 1.0, 10.0)])
    assert feed.collect(1.0) == LabelCounts()
    assert feed.collect(9.0) == LabelCounts()
    assert feed.collect(10.0) == LabelCounts(new=1)


def test_corrections_count_by_their_own_time_in_whichever_order_they_come(feed: Feed) -> None:
    (one,) = feed.serve(1)
    feed.write([(one, 1.0, 3.0)])
    assert feed.collect(4.0) == LabelCounts(new=1)
    feed.write([(one, 1.0, 3.0), (one, 0.0, 2.0)])
    assert feed.collect(5.0) == LabelCounts(duplicate=1, stale=1)
    assert feed.known(one) == [1.0]
    feed.write([(one, 1.0, 3.0), (one, 0.0, 5.5)])
    assert feed.collect(6.0) == LabelCounts(duplicate=1, corrected=1)
    assert feed.known(one) == [0.0]


def test_a_label_before_its_prediction_waits_for_it(feed: Feed) -> None:
    name = f"{7:040x}"
    feed.write([(name, 1.0, 0.0)])
    assert feed.collect(0.5) == LabelCounts(orphan=1)
    assert orphans.count(feed.ws.db) == 1
    feed.serve(7)
    assert feed.collect(2.0) == LabelCounts(new=1)
    assert feed.known(name) == [1.0]
    assert orphans.count(feed.ws.db) == 0


def test_a_newer_label_that_comes_while_an_older_one_finds_its_prediction_keeps_waiting(feed: Feed) -> None:
    rows = pl.DataFrame({"name": ["x"], "value": [1.0], "at": [feed.start]})
    newer = rows.with_columns(value=pl.lit(0.0), at=pl.col("at") + HOUR)
    with feed.ws.db.transaction() as tx:
        for one in (rows, newer):  # the second one is written by another process after the first one was read
            orphans.keep(tx, one, field="id", arrived=feed.start, source="file")
        orphans.adopt(tx, rows.with_columns(field=pl.lit("id")))
    assert orphans.waiting(feed.ws.db)["value"].to_list() == [0.0]


def test_labels_of_nobody_are_forgotten_in_the_end(feed: Feed) -> None:
    feed.write([("no such order", 1.0, 0.0)])
    feed.collect(0.5)
    feed.write([])
    feed.collect(24 * 91)
    assert orphans.count(feed.ws.db) == 0


def test_requests_are_found_by_what_their_caller_called_them(served: Workspace) -> None:
    feed = Feed(served, field="request")
    first, again = feed.serve(1, 2, request="order-17", entity="ana")  # sent twice
    (other,) = feed.serve(3, request="order-18")
    batch = [*feed.serve(4, request="many", entity="x"), *feed.serve(5, request="many", entity="y")]
    feed.write([("order-17", 1.0, 0.0), ("order-18", 0.0, 0.0), ("many", 1.0, 0.0)])
    assert feed.collect(0.5) == LabelCounts(new=3, orphan=1)
    assert feed.known(first, again, other, *batch) == [1.0, 1.0, 0.0, None, None]


def test_a_file_that_can_not_be_read_is_said_once_and_tried_again(feed: Feed) -> None:
    (one,) = feed.serve(1)
    for hours in (1.0, 2.5, 4.0):
        assert feed.collect(hours) == LabelCounts()
    assert len(events(feed, "labels.failed")) == 1
    (fault,) = unread(feed.ws)
    assert "there is no file" in fault
    assert "put it there" in fault
    assert fault.endswith(f" (since {feed.start + HOUR:%Y-%m-%d %H:%M} UTC)")
    assert fault in [str(line) for line in overview(feed.ws).renderables]
    (feed.ws.folder / "labels.parquet").write_bytes(b"no table")
    feed.collect(6.0)
    assert len(events(feed, "labels.failed")) == 2
    feed.write([(one, 1.0, 0.5)])
    assert feed.collect(8.0) == LabelCounts(new=1)
    assert not list(unread(feed.ws))


def test_a_file_that_can_not_be_read_is_shown_once_to_who_watches(feed: Feed, executor: Executor) -> None:
    told: list[str] = []
    controller = Controller(feed.ws, NeighbourGateway(feed.ws), executor, tell=told.append)
    for _ in range(3):
        controller.look()
    assert [line for line in told if "there is no file" in line] == list(unread(feed.ws))


def test_rows_that_are_no_labels_are_told(feed: Feed) -> None:
    (one,) = feed.serve(1)
    feed.write([(one, 1.0, 0.0), (one, 5.0, 0.0)])
    feed.collect(0.5)
    assert events(feed, "labels.recorded")[0]["left_out"] == {"neither 0 nor 1": 1}


def test_a_clock_that_was_set_back_does_not_stop_the_feed(feed: Feed) -> None:
    (one,) = feed.serve(1)
    feed.write([(one, 1.0, -5.0)])
    assert feed.collect(3.0) == LabelCounts(new=1)
    earlier = replace(feed.ws, clock=virtual_clock(feed.ws.state / "other", feed.start))
    assert collect(earlier) == LabelCounts()
