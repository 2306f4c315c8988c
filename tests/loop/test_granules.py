"""Counts per hour: from the files of serving processes where these hold all rows, else from the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from detent.loop.champion import champion_version
from detent.loop.watching.granules import Hours, forget_days, granules_between, layout_for
from detent.loop.workspace import Workspace
from detent.predictions import read
from detent.predictions.frames import expand_inputs
from detent.records.log import LogPlan
from detent.records.version import ModelVersion
from detent.serving.places import profiles
from detent.statistics.days import day_to_bytes, hour_of
from detent.statistics.granules import Granule, cells_of, count, to_bytes, total
from detent.statistics.layout import OUTPUT

from .test_replay import Written


@pytest.fixture
def written(served: Workspace) -> Iterator[Written]:
    made = Written(served, LogPlan())
    yield made
    made.close()


def champion(ws: Workspace) -> ModelVersion:
    found = champion_version(ws)
    assert found is not None
    return found


def between(ws: Workspace, **options: bool) -> Hours:
    end = hour_of(ws.now()) + timedelta(hours=1)
    return granules_between(ws, champion(ws), end - timedelta(days=3), end, **options)


def as_bytes(hours: Hours) -> list[tuple[datetime, bytes]]:
    return [(hour, to_bytes(granule)) for hour, granule in hours]


def store(ws: Workspace, hours: dict[datetime, Granule], owner: str = "w0-life") -> Path:
    """Write files as a serving process does."""
    path = Path()
    for day in {hour.date() for hour in hours}:
        path = profiles(ws.state) / day.isoformat() / f"{ws.project.serving.endpoint}-1-{owner}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(day_to_bytes({hour: one for hour, one in hours.items() if hour.date() == day}))
    return path


def test_without_files_the_log_is_counted_hour_by_hour(served: Workspace, written: Written) -> None:
    for age, rows in ((5, 7), (3, 4), (26, 2)):
        written.write(rows, timedelta(hours=age))
    found = between(served)
    assert [one.rows for _, one in found] == [2, 7, 4]
    assert [hour for hour, _ in found] == [hour_of(served.now() - timedelta(hours=age)) for age in (26, 5, 3)]
    layout, _ = layout_for(served, champion(served))
    assert total([one for _, one in found]).layout == layout.digest


def test_files_that_hold_all_rows_stand_for_the_log_with_the_same_bytes(
    served: Workspace, written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.write(50, timedelta(hours=2))
    counted = between(served)
    store(served, dict(counted))
    caplog.set_level("INFO")
    assert as_bytes(between(served)) == as_bytes(counted)
    assert "action=count" not in caplog.text


def test_an_hour_whose_files_lack_rows_is_counted_anew(served: Workspace, written: Written) -> None:
    written.write(20, timedelta(hours=2))
    few = dict(between(served))
    store(served, few)
    written.write(5, timedelta(hours=2, seconds=-1))  # after the process was killed
    assert sum(one.rows for _, one in between(served)) == 25


def test_files_of_several_processes_and_lives_add_up(served: Workspace, written: Written) -> None:
    written.write(30, timedelta(hours=2))
    ((hour, whole),) = between(served)
    layout, signature = layout_for(served, champion(served))
    rows = read(served.state)
    for number in range(3):
        part = rows[number::3]
        inputs = expand_inputs(part, signature).to_dict(as_series=False)
        store(served, {hour: count(layout, inputs, part["score"].to_list())}, owner=f"w{number % 2}-{number}")
    assert as_bytes(between(served)) == [(hour, to_bytes(whole))]


@pytest.mark.parametrize("cut", [0, 10, 300, -1])
def test_a_torn_file_is_ignored_and_said_so(
    served: Workspace, written: Written, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    written.write(30, timedelta(hours=2))
    counted = between(served)
    path = store(served, dict(counted))
    path.write_bytes(path.read_bytes()[:cut])
    assert as_bytes(between(served)) == as_bytes(counted)
    assert "action=skip" in caplog.text


def test_files_over_another_layout_are_ignored(served: Workspace, written: Written) -> None:
    written.write(30, timedelta(hours=2))
    counted = between(served)
    store(served, {hour: replace(one, layout="0" * 64) for hour, one in counted})
    assert as_bytes(between(served)) == as_bytes(counted)


@pytest.mark.parametrize("mode", ["off", "sample"])
def test_with_the_log_off_the_files_are_all_there_is(served: Workspace, written: Written, mode: str) -> None:
    written.write(30, timedelta(hours=2))
    counted = between(served)
    store(served, {counted[0][0]: counted[0][1]})
    written.write(5, timedelta(hours=3))
    serving = replace(served.project.serving, log=LogPlan(mode=mode))
    off = replace(served, project=replace(served.project, serving=serving))
    assert as_bytes(between(off)) == as_bytes(counted)


def test_masked_inputs_are_not_counted(served: Workspace, written: Written) -> None:
    written.write(3, timedelta(hours=2))
    serving = replace(served.project.serving, log=LogPlan(fields=(("price", "hash"), ("hour", "drop"))))
    masked = replace(served, project=replace(served.project, serving=serving))
    layout, _ = layout_for(masked, champion(served))
    assert not {"price", "hour"} & {axis.name for axis in layout.axes}
    assert between(masked)[0][1].layout == layout.digest


def test_a_version_with_few_requests_lends_its_layout_to_all_of_them(served: Workspace, written: Written) -> None:
    written.write(40, timedelta(hours=2))
    other = replace(champion(served), number=2)
    end = hour_of(served.now()) + timedelta(hours=1)
    start = end - timedelta(days=1)
    assert granules_between(served, other, start, end) == []
    ((_, all_of_them),) = granules_between(served, other, start, end, whoever=True)
    layout, _ = layout_for(served, champion(served))
    assert all_of_them.rows == 40
    assert cells_of(layout, all_of_them, "price").bins.sum() == 40
    assert cells_of(layout, all_of_them, OUTPUT).bins.sum() == 0  # none of the answers is its own
    assert as_bytes(between(served, whoever=True)) == as_bytes(between(served))


def test_a_span_without_requests_has_no_hours(served: Workspace) -> None:
    assert between(served) == between(served, whoever=True) == []


def test_counts_of_a_day_can_be_forgotten(served: Workspace, written: Written) -> None:
    written.write(5, timedelta(hours=2))
    counted = between(served)
    path = store(served, dict(counted))
    forget_days(served, [counted[0][0].date(), date(2001, 1, 1)])
    assert not path.exists()
    assert as_bytes(between(served)) == as_bytes(counted)  # from the log, which is still there
