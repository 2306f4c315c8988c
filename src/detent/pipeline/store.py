"""Rows of `steps` (results by cache key), `runs` and `step_runs`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from detent.errors import RefusedError
from detent.pipeline.artifacts import Artifact
from detent.pipeline.plan import Parts
from detent.records.run import Run, RunRequest, StepRun
from detent.store.canonical import canonical
from detent.store.clock import iso
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__ or "")


def find_outputs(db: Reader, key: str) -> dict[str, Artifact] | None:
    """Return what is stored under a cache key, by output name; None when nothing is."""
    row = db.row(_SQL["entry"], key=key)
    if row is None:
        return None
    return {
        name: Artifact(digest=item["digest"], kind=item["kind"], type=item["type"], parts=tuple(item["parts"]))
        for name, item in json.loads(row["outputs"]).items()
    }


def previous_parts(db: Reader, pipeline: str, step: str) -> Parts | None:
    """Return what the step's last successful result was made of; None when there is none."""
    last = db.row(_SQL["previous_key"], pipeline=pipeline, step=step)
    row = db.row(_SQL["entry"], key=last["key"]) if last else None
    if row is None:
        return None
    parts: dict[str, Any] = json.loads(row["parts"])
    return Parts(
        function=parts["function"],
        code=parts["code"],
        environment=parts["environment"],
        params={name: (digest, shown) for name, (digest, shown) in parts["params"].items()},
        inputs={name: (digest, origin) for name, (digest, origin) in parts["inputs"].items()},
    )


def commit_step(
    tx: Transaction, step_run: StepRun, *, parts: Parts, outputs: Mapping[str, Artifact], now: datetime
) -> None:
    """Remember a result under its key. From here on, the step is a hit."""
    tx.execute(
        _SQL["commit_entry"],
        key=step_run.key,
        step=step_run.step,
        outputs=_json({name: dataclasses.asdict(artifact) for name, artifact in outputs.items()}),
        parts=_json(dataclasses.asdict(parts)),
        seconds=step_run.seconds,
        created=iso(now),
    )


def begin_run(tx: Transaction, run: Run) -> None:
    """Note that a run has begun, and that every other one has ended; call it under the run lock.

    Raises:
        RefusedError: a run of that id exists.
    """
    if tx.row(_SQL["run"], id=run.id) is not None:
        raise RefusedError(
            what=f"run {run.id} exists already",
            why="a run's id names it in the ledger, in logs and in bundles",
            fix="give a new id",
        )
    tx.execute(_SQL["end_abandoned"], id=run.id)
    request = "" if run.request is None else _json(dataclasses.asdict(run.request))
    tx.execute(_SQL["insert_run"], id=run.id, pipeline=run.pipeline, started_at=run.started_at, request=request)


def end_run(tx: Transaction, run: Run) -> None:
    """Note how a run and its steps ended."""
    for position, step in enumerate(run.steps):
        values = dataclasses.asdict(step) | {"outputs": _json(step.outputs)}
        tx.execute(_SQL["insert_step_run"], run=run.id, position=position, **values)
    tx.execute(_SQL["end_run"], id=run.id, state=run.state)


def load_run(db: Reader, id: str) -> Run | None:
    """Return a run with its steps, or None."""
    row = db.row(_SQL["run"], id=id)
    return None if row is None else _run(row, db.rows(_SQL["step_runs"], run=id))


def recent_runs(db: Reader, limit: int = 20) -> list[Run]:
    """Return the newest runs, newest first."""
    return [_run(row, db.rows(_SQL["step_runs"], run=row["id"])) for row in db.rows(_SQL["runs"], limit=limit)]


def _run(row: Row, steps: Sequence[Row]) -> Run:
    return Run(
        id=row["id"],
        pipeline=row["pipeline"],
        started_at=row["started_at"],
        state=row["state"],
        request=RunRequest(**json.loads(row["request"])) if row["request"] else None,
        steps=tuple(
            StepRun(**{**step, "outputs": tuple((name, digest) for name, digest in json.loads(step["outputs"]))})
            for step in steps
        ),
    )


def _json(value: object) -> str:
    return canonical(value).decode()
