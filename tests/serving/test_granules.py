"""What serving processes count of what they answer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.errors import TamperedError
from detent.predictions.frames import expand_inputs
from detent.predictions.read import read
from detent.records.log import LogPlan
from detent.serving import places
from detent.serving.predict import granules
from detent.serving.workers.supervisor import Supervisor
from detent.statistics import reference as references
from detent.statistics.days import day_from_bytes, hour_of
from detent.statistics.granules import Granule, cells_of, count, to_bytes, total
from detent.statistics.layout import OUTPUT, Layout, layout_of
from detent.statistics.reference import Reference
from detent.store.clock import VirtualClock

from .builders import ENDPOINT, KEY, POISON, ROW, SIGNATURE, World, make_bundle
from .conftest import Load, Local, until

Start = Callable[..., Local]
NUMBER = 4  # of the version with a reference


def _reference() -> Reference:
    g = np.random.default_rng(0)
    columns = {
        "temp": g.normal(size=500).tolist(),
        "hour": g.integers(0, 24, 500).tolist(),
        "origin": g.choice(["JFK", "EWR", "LGA"], 500).tolist(),
        "wet": g.choice([True, False], 500).tolist(),
        OUTPUT: g.random(500).tolist(),
    }
    layout = layout_of(columns, [(field.name, field.kind) for field in SIGNATURE.inputs], slices=("origin",))
    return Reference(layout=layout, inputs=count(layout, columns), scores=count(layout, columns, columns[OUTPUT]))


REFERENCE = _reference()
LAYOUT = REFERENCE.layout


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured") / str(NUMBER)
    return make_bundle(folder, NUMBER, key=KEY, reference=references.to_bytes(REFERENCE))


@pytest.fixture
def known(world: World, measured: Path) -> World:
    world.ship(NUMBER, measured)
    world.route((NUMBER, 10_000))
    return world


def stored(world: World, number: int = NUMBER) -> dict[datetime, Granule]:
    """What all files hold, by hour."""
    found: dict[datetime, list[Granule]] = {}
    for path in sorted(places.profiles(world.state).glob(f"*/{ENDPOINT}-{number}-*.bin")):
        for hour, granule in day_from_bytes(path.read_bytes()).items():
            found.setdefault(hour, []).append(granule)
    return {hour: total(parts) for hour, parts in found.items()}


def write(app: Local) -> None:
    """Write what was counted, as a worker does every 10 seconds."""
    counting = app.worker.parts.counting
    assert counting is not None
    granules.store(counting.changed())


def from_log(rows: pl.DataFrame, layout: Layout = LAYOUT) -> Granule:
    live = rows.filter(pl.col("arm") == "live")
    return count(layout, expand_inputs(live, SIGNATURE).to_dict(as_series=False), live["score"].to_list())


def test_the_counts_are_those_of_the_logged_rows_byte_by_byte(known: World, local: Start) -> None:
    app = local()
    rows = [
        {**ROW, "temp": None if n % 7 == 0 else n / 3, "origin": ("JFK", "new", None, "LGA")[n % 4], "hour": n % 30}
        for n in range(600)
    ]
    for start in range(0, 600, 50):
        app.predict(*rows[start : start + 50])
    app.predict(POISON)
    app.predict_at_once([ROW] * 40)
    write(app)
    (granule,) = stored(known).values()
    assert granule.rows == 641
    assert to_bytes(granule) == to_bytes(from_log(app.log()))
    assert cells_of(LAYOUT, granule, OUTPUT).null == app.log().filter(pl.col("score").is_null()).height > 0
    assert cells_of(LAYOUT, granule, "origin").novel == 150


def test_each_hour_and_each_day_has_its_own_counts(known: World, local: Start, tmp_path: Path) -> None:
    start = datetime(2013, 7, 1, 22, 59, tzinfo=UTC)
    clock = VirtualClock(tmp_path / "clock", start=start)
    app = local(clock_file=tmp_path / "clock")
    moments = [start, start + timedelta(minutes=2), start + timedelta(minutes=70), start + timedelta(hours=30)]
    for number, moment in enumerate(moments, 1):
        clock.set(moment)
        app.predict(*[ROW] * number)
    write(app)
    assert {hour: granule.rows for hour, granule in stored(known).items()} == {
        hour_of(moment): number for number, moment in enumerate(moments, 1)
    }
    assert sorted(path.name for path in places.profiles(known.state).iterdir()) == [
        "2013-07-01",
        "2013-07-02",
        "2013-07-03",
    ]


def test_a_file_holds_all_of_its_hour_however_often_it_is_written(known: World, local: Start) -> None:
    app = local()
    for _ in range(3):
        app.predict(*[ROW] * 7)
        write(app)
    assert sum(granule.rows for granule in stored(known).values()) == 21
    assert len(list(places.profiles(known.state).rglob("*.bin"))) <= 2  # two when midnight came in between


def test_shadows_and_rows_of_callers_who_named_the_version_are_not_counted(
    known: World, local: Start, measured: Path
) -> None:
    known.route((1, 10_000), shadows=(NUMBER,), loaded=(1, NUMBER))
    app = local()
    app.predict(ROW)
    named = [
        {"name": "temp", "shape": [1], "datatype": "FP64", "data": [1.0]},
        {"name": "hour", "shape": [1], "datatype": "INT64", "data": [7]},
        {"name": "origin", "shape": [1], "datatype": "BYTES", "data": ["JFK"]},
        {"name": "wet", "shape": [1], "datatype": "BOOL", "data": [False]},
    ]
    answer = app.ask("POST", f"/v2/models/{ENDPOINT}/versions/1/infer", json.dumps({"inputs": named}).encode())
    assert answer.status_code == 200, answer.text
    assert sorted(app.log()["arm"].unique()) == ["forced", "live", "shadow"]
    write(app)
    assert stored(known) == {}
    assert next(iter(stored(known, 1).values())).rows == 1


def test_masked_inputs_are_in_no_file(known: World, local: Start) -> None:
    app = local(log=LogPlan(fields=(("origin", "hash"), ("hour", "drop"))))
    app.predict({**ROW, "origin": "a secret"})
    write(app)
    files = list(places.profiles(known.state).rglob("*.bin"))
    assert b"a secret" not in b"".join(path.read_bytes() for path in files)
    (granule,) = stored(known).values()
    less = LAYOUT.without({"origin", "hour"})
    assert granule.layout == less.digest
    assert cells_of(less, granule, "temp").bins.sum() == 1


@pytest.mark.parametrize("mode", ["off", "sample"])
def test_rows_that_the_log_leaves_out_are_counted_too(known: World, local: Start, mode: str) -> None:
    app = local(log=LogPlan(mode=mode, sample=0.1))
    app.predict(*[ROW] * 100)
    write(app)
    assert app.log().height < 60
    assert next(iter(stored(known).values())).rows == 100


def test_a_bundle_without_a_reference_is_counted_over_its_profile(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    app.predict(ROW, ROW)
    write(app)
    assert next(iter(stored(world, 1).values())).rows == 2


def test_a_damaged_reference_keeps_the_version_from_serving(world: World, local: Start, tmp_path: Path) -> None:
    data = references.to_bytes(REFERENCE)
    world.ship(11, make_bundle(tmp_path / "11", 11, reference=data[:-1] + bytes([data[-1] ^ 1])))
    world.route((11, 10_000))
    assert "reference.bin" in local().predict(ROW).text
    with pytest.raises(TamperedError):
        references.layout_from_bytes(data[:-1])


def test_a_folder_that_can_not_be_written_stops_no_answer(known: World, local: Start) -> None:
    places.profiles(known.state).parent.mkdir(parents=True, exist_ok=True)
    places.profiles(known.state).write_text("a file where a folder should be")
    app = local()
    assert app.predict(ROW).status_code == 200
    write(app)
    assert app.predict(ROW).status_code == 200


def test_counting_can_be_switched_off(known: World, local: Start) -> None:
    app = local(profiles=False)
    app.predict(ROW)
    assert app.worker.parts.counting is None


def test_processes_that_end_leave_all_their_counts(known: World, serve: Callable[..., Supervisor]) -> None:
    supervisor = serve(known)
    with Load(supervisor.address) as load:
        load.more(300)
    supervisor.stop()
    logged = read(known.state)
    assert to_bytes(total(list(stored(known).values()))) == to_bytes(from_log(logged))


def test_a_killed_process_leaves_fewer_counts_than_the_log_and_its_next_life_writes_beside_it(
    known: World, serve: Callable[..., Supervisor]
) -> None:
    supervisor = serve(known, workers=1)
    with Load(supervisor.address) as load:
        load.more(100)
        (before,) = supervisor.alive()
        os.kill(before, signal.SIGKILL)
        until(lambda: supervisor.alive() not in ((), (before,)))
        load.more(100)
    supervisor.stop()
    rows = sum(granule.rows for granule in stored(known).values())
    assert 100 <= rows < read(known.state).height
