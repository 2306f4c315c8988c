from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from detent.errors import DetentError
from detent.loop.champion import champion_version
from detent.loop.watching.drift import first_window, look_at_drift, monitor_forecast
from detent.loop.workspace import Workspace, virtual_clock

from .live_rows import first_scores, write

DAY = timedelta(days=1)


@pytest.fixture
def later(served: Workspace) -> Workspace:
    """Ten days after the promotion, watched day by day; all rows stand at noon, so hours are not compared."""
    monitor = served.project.monitor
    monitor = replace(monitor, window=DAY, drift=replace(monitor.drift, seasonal="off"))
    project = replace(served.project, monitor=monitor)
    return replace(served, project=project, clock=virtual_clock(served.state, served.now() + 10 * DAY))


def rows(ws: Workspace, count: int, seed: int) -> pl.DataFrame:
    """Some of the rows that the model was trained on."""
    orders = pl.read_parquet(f"{ws.project.folder}/data/orders.parquet")
    at = pl.col("placed_at")
    orders = orders.with_columns(hour=at.dt.hour().cast(pl.Int64), weekday=at.dt.weekday().cast(pl.Int64))
    return orders.filter(at < orders["placed_at"].min() + pl.duration(days=40)).sample(count, seed=seed)


def live(ws: Workspace, first, *, days: int, change=lambda frame: frame, from_day: int = 0) -> None:
    for day in range(days):
        frame = rows(ws, 300, seed=day)
        frame = change(frame) if day >= from_day else frame
        age = ws.now() - first - day * DAY - DAY / 2
        write(ws, frame, first_scores(ws, frame), version=1, age=age, seed=day)


def drifted(ws: Workspace, first, day: int, **options):
    version = champion_version(ws)
    return look_at_drift(ws, version, first + day * DAY, first=first, **options).findings


def test_the_first_window_is_the_first_whole_day_after_the_promotion(later: Workspace) -> None:
    version = champion_version(later)
    first = first_window(later, version)
    assert first is not None
    assert (first.hour, first.minute, first.second) == (0, 0, 0)
    assert timedelta(0) <= first - (later.now() - 10 * DAY) <= DAY
    assert first_window(later, replace(version, number=7)) is None


def test_what_changed_in_the_log_is_found_in_its_window(later: Workspace) -> None:
    first = first_window(later, champion_version(later))
    dearer = pl.col("price") * 3
    live(later, first, days=3, change=lambda frame: frame.with_columns(price=dearer), from_day=2)
    known: dict = {(1, first - n * DAY): None for n in range(1, 4)}
    before = {finding.column for finding in drifted(later, first, 1, known=known)}
    found = {finding.column: finding for finding in drifted(later, first, 2, known=known, note="Version 2 came.")}
    assert found["price"].severity == "WARNING"
    assert found["price"].version == 1
    assert found["price"].score_shift is not None
    assert abs(found["price"].score_shift) > 0.01
    assert found["price"].since == (first + 2 * DAY).isoformat(timespec="microseconds")
    assert "Version 2 came." in found["price"].message
    assert before == set()
    assert sorted(start for _, start in known) == [first + n * DAY for n in range(3)]
    assert all(len(seen.hours) == 24 and sum(seen.hours) == 300 for seen in known.values())


def test_a_feed_that_stopped_is_broken_data(later: Workspace) -> None:
    first = first_window(later, champion_version(later))
    stuck = pl.lit(7.5)
    live(later, first, days=1, change=lambda frame: frame.with_columns(price=stuck))
    (broken, *_) = drifted(later, first, 0)
    assert (broken.kind, broken.severity, broken.column, broken.statistic) == ("data", "CRITICAL", "price", "constant")


def test_the_forecast_asks_for_the_rows_that_nobody_has_seen(later: Workspace) -> None:
    version = champion_version(later)
    with pytest.raises(DetentError, match="--rows"):
        monitor_forecast(later, version, None)
    told = monitor_forecast(later, version, 500.0)
    assert [column.column for column in told.columns][-1] == "prediction"
    assert all(column.within[0] for column in told.columns if column.column == "price")
