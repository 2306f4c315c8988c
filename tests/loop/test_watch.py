"""Windows of what was served: with the log, without it, with gaps, and with a model that can't be asked."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.loop.champion import bundle_folder, champion_version
from detent.loop.watching.drift import first_window
from detent.loop.watching.gauges import render
from detent.loop.watching.granules import granules_between, lost_between
from detent.loop.watching.watch import Window, watch, windows_in_turn
from detent.loop.watching.window_facts import facts
from detent.loop.workspace import Workspace, virtual_clock
from detent.monitor import store
from detent.predictions import places
from detent.records.log import OFF, LogPlan
from detent.records.version import ModelVersion
from detent.serving.places import profiles
from detent.statistics.days import day_to_bytes
from detent.store import ledger

from .live_rows import first_scores, rows, write
from .test_replay import Written

DAY = timedelta(days=1)


class Life:
    """A project whose champion is watched day by day for ten days."""

    def __init__(self, ws: Workspace) -> None:
        monitor = replace(ws.project.monitor, window=DAY, drift=replace(ws.project.monitor.drift, seasonal="off"))
        clock = virtual_clock(ws.state, ws.now() + 10 * DAY)
        self.ws = replace(ws, project=replace(ws.project, monitor=monitor), clock=clock)
        champion = champion_version(self.ws)
        assert champion is not None
        first = first_window(self.ws, champion)
        assert first is not None
        self.champion: ModelVersion = champion
        self.first: datetime = first

    def age(self, day: int) -> timedelta:
        """How long ago the noon of a day was."""
        return self.ws.now() - self.first - day * DAY - DAY / 2

    def serve(self, day: int, frame: pl.DataFrame, *, failing: bool = False) -> None:
        """Log answers at noon of a day."""
        scores = np.full(frame.height, np.nan) if failing else first_scores(self.ws, frame)
        write(self.ws, frame, scores, version=1, age=self.age(day), seed=2 * day + failing)

    def watch(self, day: int) -> set[tuple[str, str]]:
        """Look at a day; return severity and statistic of what was found."""
        start = self.first + day * DAY
        return {(one.severity, one.statistic) for one in watch(self.ws, Window(start=start, end=start + DAY))}

    def store(self, days: int) -> None:
        """Put what was logged into the files of a serving process."""
        counted = granules_between(self.ws, self.champion, self.first, self.first + days * DAY)
        for day in {hour.date() for hour, _ in counted}:
            path = self.file(day)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(day_to_bytes({hour: one for hour, one in counted if hour.date() == day}))

    def unlog(self) -> None:
        """Switch the log off, and forget what was in it."""
        for path in places.parquet(self.ws.state).rglob("*.parquet"):
            path.unlink()
        serving = replace(self.ws.project.serving, log=LogPlan(mode=OFF))
        self.ws = replace(self.ws, project=replace(self.ws.project, serving=serving))

    def file(self, day: date) -> Path:
        """Where a serving process keeps a day."""
        return profiles(self.ws.state) / day.isoformat() / f"{self.ws.project.serving.endpoint}-1-w0-life.bin"

    def windows(self) -> list[datetime]:
        """Watch all that is due; return the starts."""
        seen = []
        for window in windows_in_turn(self.ws):
            watch(self.ws, window)
            seen.append(window.start)
        return seen

    @property
    def episodes(self) -> list[str]:
        """Keys of the open ones."""
        return [one.key for one in store.open_episodes(self.ws.db, self.ws.project.serving.endpoint)]


@pytest.fixture
def life(served: Workspace) -> Life:
    return Life(served)


def stuck(count: int) -> pl.DataFrame:
    return rows(count).with_columns(price=pl.lit(7.5))


def test_years_without_traffic_are_skipped_in_one_step(served: Workspace) -> None:
    clock = virtual_clock(served.state, served.now() + timedelta(days=3650))
    later = replace(served, clock=clock)
    for window in windows_in_turn(later):
        watch(later, window)
    watched = list(ledger.read(later.db, kind="window.watched"))
    assert 1 <= len(watched) <= 3
    assert {event.payload["rows"] for event in watched} == {0}
    assert list(windows_in_turn(later)) == []


def test_without_a_log_the_counts_of_serving_processes_are_looked_at(life: Life) -> None:
    life.serve(0, stuck(300))
    life.serve(0, stuck(30), failing=True)
    life.store(days=1)
    life.unlog()
    assert life.watch(0) >= {("CRITICAL", "failed_share"), ("CRITICAL", "constant")}
    (watched,) = ledger.read(life.ws.db, kind="window.watched")
    assert watched.payload["rows"] == 330


def test_days_that_were_only_counted_are_not_skipped(life: Life) -> None:
    life.serve(4, rows(300))
    life.store(days=6)
    life.unlog()
    assert life.first + 4 * DAY in life.windows()


def test_rows_in_an_open_segment_keep_their_day_from_being_skipped(life: Life) -> None:
    life.serve(5, rows(60))
    slow_process = Written(life.ws, LogPlan())
    slow_process.write(5, life.age(0))
    assert life.first in life.windows()
    slow_process.close()


def test_silence_and_a_few_rows_do_not_mend_what_is_broken(life: Life) -> None:
    life.serve(0, stuck(300))
    assert ("CRITICAL", "constant") in life.watch(0)
    for day in range(1, 5):
        life.watch(day)  # nobody asked anything
    assert "data:price" in life.episodes
    for day in range(5, 9):
        life.serve(day, stuck(10))
        life.watch(day)
    assert "data:price" in life.episodes


def test_a_model_that_can_not_be_asked_does_not_keep_its_drift_from_being_told(life: Life) -> None:
    life.serve(0, rows(300, seed=1).with_columns(price=pl.col("price") * 3))
    for path in bundle_folder(life.ws, life.champion).glob("model*"):
        path.write_bytes(b"damaged")
    assert "WARNING" in {severity for severity, _ in life.watch(0)}


def test_hours_that_a_serving_process_did_not_count_as_a_whole_are_lost(life: Life) -> None:
    def lost() -> int:
        return lost_between(life.ws, life.champion, life.first, life.first + DAY)

    life.serve(0, rows(40))
    assert lost() == 1
    life.store(days=1)
    assert lost() == 0
    life.file(life.first.date()).write_bytes(b"torn")
    assert lost() == 1
    assert b"detent_cost" not in render(life.ws)
    for day in range(3):  # what a day lost is known a day later
        life.watch(day)
    text = render(life.ws).decode()
    assert 'detent_granules_lost_total{model="shop"} 1.0' in text
    assert re.search(r'detent_cost\{model="shop",what="serving"\} [0-9.e-]+$', text, re.MULTILINE)
    assert facts(life.ws)["training"] > 0.0
    life.unlog()
    assert lost() == 1
