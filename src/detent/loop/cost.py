"""What runs and versions cost: seconds, bytes and requests, times the project's prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from detent.loop import places
from detent.loop.workspace import PipelineWorkspace, Workspace
from detent.pipeline import store as pipelines
from detent.predictions import read
from detent.records.cost import Cost, Prices
from detent.records.event import Fact
from detent.records.run import Run
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.store.clock import parse
from detent.trigger import store as triggers

HOUR, MONTH = 3600.0, 30 * 86400.0
FIRST_MONTH = timedelta(days=30)  # a run pays for keeping what it made for so long
PER = 1_000  # predictions
RAN = "ran"


def money_of(cost: Cost, prices: Prices) -> float:
    """Return prices times units; what was not measured costs nothing here."""
    return (
        cost.cpu_seconds / HOUR * prices.cpu_hour
        + (cost.gpu_seconds or 0.0) / HOUR * prices.gpu_hour
        + cost.byte_seconds / MONTH / 1e9 * prices.gb_month
        + cost.requests / 1e6 * prices.million_requests
    )


def run_cost(ws: Workspace, run_id: str) -> Cost | None:
    """Return what a run's steps took; those that were hits took nothing. None when there is no such run.

    CPU seconds are those of each step's process and of the processes that it waited for. What a step stored is paid for
    the first 30 days. GPUs are not measured.
    """
    run = pipelines.load_run(ws.db, run_id)
    return None if run is None else priced(_of(ws, run), ws.project.prices)


def version_cost(ws: Workspace, version: ModelVersion, since: datetime, until: datetime) -> Cost:
    """Return what serving a version took in since <= time < until: model seconds, requests, and its bundle's bytes.

    Seconds inside the model are counted as seconds of one core. Its answers as a shadow and as a fallback count too;
    requests are those that callers were given an answer for, or should have been.
    """
    mine = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("version") == version.number)
    rows = read(ws.state, since, until, columns=("arm", "service_seconds"), where=mine)
    return _served(ws, version, rows, since, until)


def window_costs(ws: Workspace, since: datetime, until: datetime) -> list[Cost]:
    """Return what serving took in a window, by `version_cost` of each version that answered in it."""
    mine = pl.col("endpoint") == ws.project.serving.endpoint
    rows = read(ws.state, since, until, columns=("version", "arm", "service_seconds"), where=mine)
    parts = rows.partition_by("version", as_dict=True)
    every = [one for one in versions.all_versions(ws.db, ws.model) if (one.number,) in parts]
    return [_served(ws, one, parts[(one.number,)], since, until) for one in every]


def _served(ws: Workspace, version: ModelVersion, rows: pl.DataFrame, since: datetime, until: datetime) -> Cost:
    seconds = float(rows["service_seconds"].sum() or 0.0)
    held, kept = _bundle_bytes(ws, version), until - max(since, parse(version.registered_at))
    cost = Cost(
        cpu_seconds=seconds,
        wall_seconds=seconds,
        bytes=held,
        byte_seconds=held * max(0.0, kept.total_seconds()),
        requests=rows.filter(pl.col("arm") == "live").height,
    )
    return priced(cost, ws.project.prices)


def per_thousand(cost: Cost) -> float | None:
    """Return the money per 1,000 predictions; None before the first."""
    return cost.money / cost.requests * PER if cost.requests else None


def total(costs: Iterable[Cost], prices: Prices) -> Cost:
    """Return the sum of several costs; GPU seconds are None when none of them was measured."""
    whole = Cost()
    for cost in costs:
        gpu = (
            None
            if whole.gpu_seconds is cost.gpu_seconds is None
            else (whole.gpu_seconds or 0) + (cost.gpu_seconds or 0)
        )
        whole = Cost(
            cpu_seconds=whole.cpu_seconds + cost.cpu_seconds,
            gpu_seconds=gpu,
            wall_seconds=whole.wall_seconds + cost.wall_seconds,
            bytes=whole.bytes + cost.bytes,
            byte_seconds=whole.byte_seconds + cost.byte_seconds,
            requests=whole.requests + cost.requests,
        )
    return priced(whole, prices)


def priced(cost: Cost, prices: Prices) -> Cost:
    """Return the cost with its money."""
    return replace(cost, money=money_of(cost, prices))


def trainings_cost(ws: Workspace, since: datetime) -> tuple[float, float]:
    """Return (money of the trainings that started after a moment, money of the latest of all): spent, and expected."""
    spent = [_money(ws, training.run) for training in triggers.trainings_since(ws.db, ws.model, since)]
    if spent:
        return sum(spent), spent[-1]
    every = triggers.trainings_since(ws.db, ws.model, datetime.min.replace(tzinfo=since.tzinfo))
    return 0.0, _money(ws, every[-1].run) if every else 0.0


def cost_fact(ws: Workspace, run_id: str) -> Fact | None:
    """Return the event `cost.counted` of a run; what a machine took is `observed`. None when there is no such run."""
    cost = run_cost(ws, run_id)
    if cost is None:
        return None
    return Fact(
        kind="cost.counted",
        subject=f"run:{run_id}",
        actor=ws.actor,
        payload={"prices": {"currency": ws.project.prices.currency, "cpu_hour": ws.project.prices.cpu_hour}},
        observed={
            "cpu_seconds": round(cost.cpu_seconds, 3),
            "wall_seconds": round(cost.wall_seconds, 3),
            "bytes": cost.bytes,
            "money": round(cost.money, 6),
            "text": f"{cost.cpu_seconds:.1f} CPU seconds and {cost.bytes / 1e6:.2f} MB: {cost.money:.6f} "
            f"{ws.project.prices.currency}",
        },
    )


def run_of(ws: Workspace, number: int) -> Cost | None:
    """Return what the run that made a version took; None for a version from elsewhere."""
    return run_cost(ws, versions.get(ws.db, ws.model, number).run)


def _money(ws: Workspace, run_id: str) -> float:
    cost = run_cost(ws, run_id)
    return 0.0 if cost is None else cost.money


def _of(ws: PipelineWorkspace, run: Run) -> Cost:
    steps = [step for step in run.steps if step.outcome in (RAN, "failed")]
    held = _stored_bytes(ws, run)
    return Cost(
        cpu_seconds=sum(step.cpu_seconds for step in steps),
        wall_seconds=sum(step.seconds for step in steps),
        bytes=held,
        byte_seconds=held * FIRST_MONTH.total_seconds(),
    )


def _stored_bytes(ws: PipelineWorkspace, run: Run) -> int:
    """Return the size of what this run's steps stored; what two of them have in common counts once."""
    made = {
        blob
        for step in run.steps
        if step.outcome == RAN
        for entry in pipelines.entries_of(ws.db, step.key)
        if entry.variant == step.variant
        for artifact in entry.outputs.values()
        for blob in artifact.blobs
    }
    return sum(ws.blobs.size(digest) for digest in made if ws.blobs.has(digest))


def _bundle_bytes(ws: Workspace, version: ModelVersion) -> int:
    folder = places.bundles(ws.state) / version.digest
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
