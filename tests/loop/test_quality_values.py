"""What the loop says of the errors of a regression model before any label is in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from detent.loop.champion import bundle_folder, champion_version
from detent.loop.report.monitor import collect
from detent.loop.runs.reference import build_reference, write_reference
from detent.loop.watching.quality import judge_due
from detent.loop.watching.quality_book import whole_window
from detent.loop.workspace import Workspace, virtual_clock
from detent.predictions import places
from detent.records.finding import INFO, WARNING, Finding
from detent.records.prediction import Prediction
from detent.records.project import Project
from detent.records.signature import NUMBER, Field, Signature
from detent.statistics import reference as references
from detent.statistics.reference import Reference
from detent.store.clock import iso
from detent.store.segments import SegmentWriter

DAY = timedelta(days=1)


class Priced:
    """A model that says ten times the price."""

    signature = Signature(inputs=(Field(name="price", kind=NUMBER, nullable=True),), output="value")

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> Priced:
        return cls()

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        return np.array([10.0 * (value or 0.0) for value in columns["price"]], dtype=np.float64)  # type: ignore[operator]


def orders(seed: int, rows: int = 2_000, *, dear: float = 1.0) -> pl.DataFrame:
    """Orders whose cost is less sure the dearer they are."""
    g = np.random.default_rng(seed)
    price = dear * g.gamma(3.0, 2.0, rows)
    return pl.DataFrame({"price": price, "cost": 10.0 * price + price * g.normal(size=rows)})


def built(rows: pl.DataFrame) -> Reference:
    return build_reference(Priced(), orders(1), rows, time=None, target="cost", seed=1)  # type: ignore[arg-type]


def test_a_model_of_values_has_a_loss_model_per_metric() -> None:
    rows = orders(2)
    found = built(rows)
    assert [one.metric for one in found.losses] == ["mae", "rmse"]
    for one in found.losses:
        measured = found.metric(one.metric)
        assert measured is not None
        mean = one.base if one.metric == "mae" else one.base**0.5
        assert mean == pytest.approx(measured.value, rel=1e-12)
    assert references.to_bytes(built(rows)) == references.to_bytes(found)


def test_rows_without_a_truth_are_left_out_and_few_rows_have_no_loss_model() -> None:
    some = orders(2).with_columns(cost=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("cost")))
    assert [one.rows for one in built(some).losses] == [1_000, 1_000]
    assert built(orders(2, 150)).losses == ()


class World:
    """A project whose champion gives values."""

    def __init__(self, ws: Workspace, **log: object) -> None:
        monitor = replace(ws.project.monitor, quality="mae", floor=None, window=DAY, labels_within=DAY)
        project: Project = replace(ws.project, monitor=monitor)
        if log:
            project = replace(project, serving=replace(project.serving, log=replace(project.serving.log, **log)))  # type: ignore[arg-type]
        self.start = whole_window(ws.now(), DAY)
        self.clock = virtual_clock(ws.state, ws.now())
        self.ws = replace(ws, project=project, clock=self.clock)
        self._writer, self._made = SegmentWriter(places.segments(ws.state), "w0"), 0
        champion = champion_version(self.ws)
        assert champion is not None
        write_reference(bundle_folder(self.ws, champion), built(orders(2)))

    def day(self, number: int, rows: pl.DataFrame) -> list[Finding]:
        """Serve a day, and return what is said of its errors the moment it ends."""
        written = []
        for place, price in enumerate(rows["price"].to_list()):
            at = self.start + number * DAY + place * (DAY / rows.height)
            self._made += 1
            written.append(
                Prediction(
                    id=f"{int(at.timestamp() * 1000):012x}{self._made:028x}", time=iso(at), route_seq=1, version=1,
                    endpoint=self.ws.project.serving.endpoint, served_by=1, arm="live", propensity=1.0,
                    entity=f"e{place}", inputs={"price": price}, score=10.0 * price, status="ok", error="",
                    service_seconds=0.001,
                )
            )  # fmt: skip
        self._writer.append([msgspec.json.encode(row) for row in written])
        self.clock.set(self.start + (number + 1) * DAY)
        return [one for one in judge_due(self.ws) if one.kind == "estimate"]


def test_dearer_orders_are_a_warning_the_moment_the_window_ends(served: Workspace) -> None:
    world = World(served)
    (before,) = world.day(0, orders(3, 600))
    (after,) = world.day(1, orders(4, 600, dear=1.5))
    assert (before.severity, after.severity) == (INFO, WARNING)
    assert before.low is not None
    assert before.high is not None
    assert before.low < 0.8 * 6.0 < before.high  # E|error| = sqrt(2 / pi) E price
    assert after.value == pytest.approx(0.8 * 9.0, rel=0.1)
    assert "No label has confirmed it yet" in after.message


def test_the_report_shows_the_estimate_with_its_interval(served: Workspace) -> None:
    world = World(served)
    world.day(0, orders(4, 600, dear=1.5))
    world.clock.set(world.start + DAY)
    report = collect(world.ws)
    (estimate,) = report.estimates
    assert (estimate.metric, estimate.severity, estimate.rows) == ("mae", WARNING, 600)
    assert json.loads(json.dumps(estimate.low)) < estimate.value < (estimate.high or 0.0)


def test_an_input_that_the_log_masks_is_not_looked_at(served: Workspace) -> None:
    world = World(served, fields=(("price", "drop"),))
    (found,) = world.day(0, orders(4, 600, dear=1.5))
    assert "The log masks price" in found.message
