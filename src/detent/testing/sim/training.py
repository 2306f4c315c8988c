"""What stands in for the pipeline: a candidate of the pool takes the place of a trained one. All else is real."""

from __future__ import annotations

from dataclasses import replace

from detent.bundle.publish import fetch
from detent.loop import places
from detent.loop.runs.candidate import Candidate
from detent.loop.runs.datasets import Datasets
from detent.loop.train import Outcome, begin_run, candidate_fact, submit
from detent.loop.workspace import Workspace
from detent.records.event import Fact
from detent.records.run import Run, RunRequest
from detent.store.clock import iso
from detent.testing.sim.pool import Made


def put_forward(ws: Workspace, request: RunRequest, made: Made, datasets: Datasets, *, run: str = "") -> Outcome:
    """Number a run, let it end with this candidate, and put that before the gate; register it if it passes."""
    run = run or begin_run(ws, request)
    candidate = candidate_for(ws, made, run)
    ended = Run(
        id=run, pipeline=ws.project.pipeline, started_at=iso(ws.now()), steps=(), state="succeeded", request=request
    )
    ws.record(Fact(kind="run.succeeded", subject=f"run:{run}", actor=ws.actor, payload={"steps": {}}))
    ws.record(candidate_fact(ws, candidate, {"kind": made.kind}))
    verdict, version = submit(ws, candidate, datasets)
    return Outcome(run=ended, candidate=candidate, verdict=verdict, version=version, datasets=datasets)


def candidate_for(ws: Workspace, made: Made, run: str) -> Candidate:
    """Return a candidate of the pool as a run of this week has made it."""
    return replace(made.candidate, run=run, folder=fetch(made.candidate.digest, ws.blobs, places.bundles(ws.state)))
