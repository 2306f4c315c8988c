from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from detent.cli.main import cli
from detent.loop.cost import (
    cost_fact,
    money_of,
    per_thousand,
    priced,
    run_cost,
    run_of,
    total,
    trainings_cost,
    version_cost,
)
from detent.loop.workspace import Workspace
from detent.pipeline import store as pipelines
from detent.records.cost import Cost, Prices
from detent.records.run import Run, StepRun
from detent.registry import versions
from detent.trigger import store as triggers

from .live_rows import first_scores, rows, write

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PRICES = Prices(currency="CHF", cpu_hour=0.36, gpu_hour=3.6, gb_month=0.5, million_requests=2.0)


def test_money_is_exactly_prices_times_units():
    cost = Cost(cpu_seconds=100, gpu_seconds=10, byte_seconds=2e9 * 30 * 86400, requests=500_000)
    assert money_of(cost, PRICES) == pytest.approx(0.01 + 0.01 + 1.0 + 1.0, rel=1e-12)
    assert money_of(replace(cost, gpu_seconds=None), PRICES) == pytest.approx(2.01, rel=1e-12)
    assert money_of(Cost(), PRICES) == 0.0


def test_a_sum_keeps_what_was_not_measured_apart_from_nothing():
    known, unknown = Cost(cpu_seconds=1, gpu_seconds=2.0, requests=3), Cost(cpu_seconds=4)
    assert total([unknown, unknown], PRICES).gpu_seconds is None
    assert total([known, unknown], PRICES).gpu_seconds == 2.0
    assert total([known, unknown], PRICES).money == pytest.approx(
        priced(known, PRICES).money + priced(unknown, PRICES).money
    )
    assert total([], PRICES) == Cost()


def run_with(ws: Workspace, name: str, *cpu: float) -> None:
    steps = [
        StepRun(step=f"s{n}", outcome="ran", why="", seconds=2 * seconds, cpu_seconds=seconds)
        for n, seconds in enumerate(cpu)
    ]
    hit = StepRun(step="known", outcome="hit", why="unchanged", seconds=0.0)
    run = Run(id=name, pipeline="p", started_at="2026-01-01", steps=(), state="running")
    with ws.db.transaction() as tx:
        pipelines.begin_run(tx, run, {})
        pipelines.set_step_runs(tx, name, list(enumerate([*steps, hit])))


def test_a_run_costs_what_its_steps_took(served: Workspace):
    ws = replace(served, project=replace(served.project, prices=PRICES))
    run_with(ws, "run-0099", 60.0, 30.0)
    cost = run_cost(ws, "run-0099")
    assert (cost.cpu_seconds, cost.wall_seconds, cost.gpu_seconds, cost.bytes) == (90.0, 180.0, None, 0)
    assert cost.money == pytest.approx(90 / 3600 * 0.36, rel=1e-12)
    assert run_cost(ws, "run-9999") is None


def test_a_real_training_took_time_and_stored_something(served: Workspace):
    cost = run_of(served, 1)
    assert 0 < cost.cpu_seconds < 120
    assert cost.bytes > 10_000
    fact = cost_fact(served, versions.get(served.db, "shop", 1).run)
    assert fact.kind == "cost.counted"
    assert fact.observed["money"] == pytest.approx(cost.money, abs=1e-6)
    assert "cpu_seconds" not in fact.payload  # what a machine took is nothing that two runs agree on
    assert cost_fact(served, "run-9999") is None


def test_a_version_costs_its_model_seconds_its_requests_and_its_bytes(served: Workspace):
    ws = replace(served, project=replace(served.project, prices=PRICES))
    frame = rows(1000)
    write(ws, frame, first_scores(ws, frame), version=1, age=timedelta(0))
    write(ws, rows(100), np.zeros(100), version=2, age=timedelta(0), seed=9)
    version, now = versions.get(ws.db, "shop", 1), ws.now()
    cost = version_cost(ws, version, now - HOUR, now + HOUR)
    assert cost.requests == 1000
    assert cost.cpu_seconds == pytest.approx(1000 * 1e-5, rel=1e-9)  # as logged
    assert cost.bytes > 1000
    serving = cost.cpu_seconds / 3600 * 0.36 + 1000 / 1e6 * 2.0
    assert cost.money == pytest.approx(serving + cost.byte_seconds / (30 * 86400) / 1e9 * 0.5, rel=1e-12)
    assert cost.byte_seconds < cost.bytes * 2 * 3600  # it was not there before it was registered
    assert per_thousand(cost) == pytest.approx(cost.money, rel=1e-12)
    idle = version_cost(ws, version, now - 2 * DAY, now - DAY)
    assert (idle.requests, idle.money, per_thousand(idle)) == (0, 0.0, None)


def test_what_trainings_have_cost_and_the_next_one_will(served: Workspace):
    ws = replace(served, project=replace(served.project, prices=PRICES))
    now = ws.now()
    for number, seconds in enumerate((1000.0, 2000.0)):
        run_with(ws, f"run-009{number}", seconds)
        with ws.db.transaction() as tx:
            triggers.training_started(
                tx, ws.model, run=f"run-009{number}", reason="test", labelled_rows=0, now=now + number * DAY
            )
    spent, expected = trainings_cost(ws, now - HOUR + DAY)
    assert (spent, expected) == (pytest.approx(0.2), pytest.approx(0.2))
    assert trainings_cost(ws, now + 9 * DAY) == (0.0, pytest.approx(0.2))  # the last one still tells the price


def test_the_command_shows_runs_versions_and_their_sum(served: Workspace):
    frame = rows(200)
    write(served, frame, first_scores(served, frame), version=1, age=timedelta(0))
    served.db.close()

    def said(*words: str) -> str:
        done = CliRunner().invoke(cli, ["-C", str(served.folder), "cost", *words])
        assert done.exit_code == 0, done.output
        return done.output

    lines = said().splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["run-0001", "version", "in"]
    assert "EUR per 1,000" in lines[2]
    assert all(len(line) <= 110 for line in lines)
    assert "run-0001" in said("--run", "run-0001")
    assert said("--version", "1").count("version 1") == 1
    assert CliRunner().invoke(cli, ["-C", str(served.folder), "cost", "--run", "nope"]).exit_code != 0
