"""What all weeks of a campaign begin with: a pool of candidates, rows to ask about, and a state with a champion."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from detent.bundle.keys import load_or_create
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.errors import RefusedError
from detent.loop.classes import in_order, truth_of
from detent.loop.releases.release import release
from detent.loop.runs.datasets import Datasets, feature_columns, ingest_all
from detent.loop.runs.steps import run_steps, silent
from detent.loop.simulated.world import DAY
from detent.loop.train import begin_run, parts_of
from detent.loop.workspace import ROOMS, Workspace, begin, open_unrecorded
from detent.pipeline import LocalExecutor
from detent.pipeline.run import Order
from detent.pipeline.schedule import How
from detent.records.project import Project
from detent.records.run import RunRequest
from detent.serving import places
from detent.serving.identifiers import load_or_create_key
from detent.statistics.metrics import metrics_of
from detent.store.blobs import open_blobs
from detent.store.clock import iso, parse
from detent.store.database import open_database
from detent.store.migrate import migrate
from detent.testing.history import LEFT_OUT
from detent.testing.sim.clock import WrongClock
from detent.testing.sim.plan import week
from detent.testing.sim.pool import Made, make_pool
from detent.testing.sim.training import put_forward

ACTOR = "simulation"
MOST_ROWS = 2_000  # rows that callers ask about
_FILE = "campaign.pickle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Everything that does not depend on a seed."""

    folder: Path
    project: Project
    pool: tuple[Made, ...]
    datasets: Datasets
    rows: pl.DataFrame  # inputs, `label`, and `hour_of_day` at which somebody asks
    start: datetime  # first midnight of the week

    @property
    def template(self) -> Path:
        """The state with which each week begins."""
        return self.folder / "template"

    @property
    def reserved(self) -> tuple[Made, Made]:
        """A good and a broken candidate that only an intruder takes."""
        return self.pool[1], next(made for made in self.pool if made.broken)

    def kinds(self) -> Mapping[str, str]:
        """Return what each bundle is, by digest."""
        return {made.candidate.digest: made.kind for made in self.pool}


def prepare(project: Path, into: Path) -> Campaign:
    """Train the project's model in a copy of its folder, make the pool, and a state whose champion is that model.

    Raises:
        DetentError: the project or its data is broken.
        RefusedError: the pipeline gives no candidate, or the gate refuses it on a few hundred rows.
    """
    copy = into / "project"
    shutil.copytree(project, copy, ignore=LEFT_OUT)
    ws = open_unrecorded(copy, actor=ACTOR)
    start = _after_the_data(ws)
    ws = replace(ws, clock=WrongClock(ws.state / "clock", start))
    begin(ws)
    parts, datasets, allowed = _trained(ws)
    target, label = ws.project.target, ws.project.target.column
    truth = truth_of(parts.evaluation[label], target.classes)
    columns = {field.name: parts.evaluation[field.name].to_list() for field in parts.model.signature.inputs}
    scores = OnnxPredictor(parts.model.onnx, parts.model.signature).predict(columns)
    scores = in_order(scores, parts.model.signature.classes, target.classes) if target.classes else scores
    honest = float(metrics_of(target.task)[ws.project.monitor.quality].compute(truth, scores))
    plan = week(ws.project, honest)
    ws.db.close()
    template = _new_state(into / "template", plan, start)
    pool = make_pool(template, parts, allowed)
    every = pl.concat([parts.train, parts.evaluation], how="diagonal")
    when = str(ws.project.source(ws.project.features.rows).time)
    kind = pl.String if target.classes else pl.Float64
    rows = every.select(*columns, label=pl.col(label).cast(kind), hour_of_day=pl.col(when).dt.hour().cast(pl.Int64))
    campaign = Campaign(folder=into, project=plan, pool=pool, datasets=datasets, rows=rows.tail(MOST_ROWS), start=start)
    _crown(template, campaign)
    template.db.close()
    shutil.rmtree(template.state / "bundles")  # each week unpacks what it needs
    (into / _FILE).write_bytes(pickle.dumps(campaign))
    return campaign


def reopen(folder: Path) -> Campaign:
    """Return a campaign that another process prepared."""
    return pickle.loads((folder / _FILE).read_bytes())  # noqa: S301  (our own file)


def new_week(campaign: Campaign, state: Path) -> None:
    """Copy the template's state. Blobs never change, so they are linked."""
    blobs = campaign.template / "blobs"
    shutil.copytree(campaign.template, state, ignore=shutil.ignore_patterns("blobs", "*.lock"))
    shutil.copytree(blobs, state / "blobs", copy_function=_linked)


def _linked(source: str, target: str) -> None:
    """Link a file, or copy it when it lies on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _after_the_data(ws: Workspace) -> datetime:
    """Return the first midnight at which all that the data hold is known."""
    taken = ingest_all(ws, None)
    last = datetime(1970, 1, 1, tzinfo=UTC)
    for frame in taken.frames.values():
        for name, kind in frame.schema.items():
            newest = frame[name].max() if isinstance(kind, pl.Datetime) else None
            if isinstance(newest, datetime):
                last = max(last, newest.replace(tzinfo=UTC) if newest.tzinfo is None else newest.astimezone(UTC))
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + DAY


def _trained(ws: Workspace):
    request = RunRequest(reason="simulation", detail="A campaign.", asked_at=iso(ws.now()), actor=ACTOR)
    run = begin_run(ws, request)
    datasets = ingest_all(ws, ws.now())
    executor = LocalExecutor(workers=1)
    try:
        order = Order(request=request, how=How(), progress=silent)
        result = run_steps(ws, datasets.snapshots, run_id=run, executor=executor, order=order)
    finally:
        executor.close()
    if result.run.state != "succeeded":
        raise RefusedError(
            what="the pipeline gives no candidate",
            why="a step of it failed in a copy of the project",
            fix="mend it until `detent run` succeeds, then simulate again",
        )
    return parts_of(result), datasets, feature_columns(ws, datasets.frames)


def _new_state(state: Path, project: Project, start: datetime) -> Workspace:
    state.mkdir(parents=True)
    db = open_database(state / "detent.db")
    migrate(db, ROOMS)
    load_or_create_key(places.prediction_key(state))
    ws = Workspace(
        project=project,
        state=state,
        db=db,
        blobs=open_blobs(str(state / "blobs")),
        clock=WrongClock(state / "clock", start - timedelta(hours=1)),
        key=load_or_create(state / "keys"),
        actor=ACTOR,
    )
    begin(ws)
    return ws


def _crown(ws: Workspace, campaign: Campaign) -> None:
    """Make the project's own model the champion, by the way that every model takes."""
    request = RunRequest(reason="bootstrap", detail="The first model.", asked_at=iso(ws.now()), actor=ACTOR)
    outcome = put_forward(ws, request, campaign.pool[0], campaign.datasets)
    if outcome.version is None:
        raise RefusedError(
            what="the project's own model does not pass the gate of a simulated week",
            why=outcome.verdict.reason if outcome.verdict else "it was not judged",
            fix="give the pipeline more evaluation rows: a simulated week judges by a few hundred of them",
        )
    release(ws, _Nobody(), outcome.version.number, reason="bootstrap")


class _Nobody:
    """No serving process runs yet."""

    def prepare(self, versions: object, timeout: float = 0.0) -> dict[int, str]:
        del versions, timeout
        return {}

    def settle(self) -> None:
        """Nothing to wait for."""


__all__ = ["ACTOR", "Campaign", "new_week", "parse", "prepare", "reopen"]
