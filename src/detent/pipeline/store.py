"""Rows of the pipeline's tables: entries (results by cache key), runs, step_runs, attempts, leases, checkpoints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detent.errors import RefusedError
from detent.pipeline.artifacts import Artifact, artifact_from_json, artifact_to_json
from detent.pipeline.parts import Parts
from detent.pipeline.trace import reads as traced
from detent.pipeline.trace.reads import Read
from detent.records.run import Run, RunRequest, StepRun
from detent.store.blobs import Stat
from detent.store.canonical import canonical_names
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

PATIENCE = 60.0  # seconds to wait while another process writes, when what is to be stored took long to make
_SQL = load_queries(__package__ or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stored result."""

    key: str
    variant: str  # digest of `reads`
    outputs: Mapping[str, Artifact]
    reads: tuple[Read, ...]  # what else has to be unchanged
    stats: Mapping[str, Stat | None]  # what each blob of the outputs looked like when its bytes were last checked
    created: str  # ISO time
    accepted: str = ""  # who said, and why, that it also counts for this key; "" for a result that was computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The row of a lease."""

    owner: str
    token: int
    expires: float  # seconds of the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """A step's last result."""

    run: str  # that made or used it
    key: str
    parts: Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptName:
    """What names an attempt."""

    run: str
    step: str
    shard: int
    number: int  # 1, 2 ...


def entries_of(db: Reader, key: str) -> list[Entry]:
    """Return what is stored under a cache key, newest first."""
    return [
        Entry(
            key=row["key"],
            variant=row["variant"],
            outputs=_outputs(row["outputs"]),
            reads=traced.from_json(json.loads(row["reads"])),
            stats={name: Stat(**stat) if stat else None for name, stat in json.loads(row["stats"]).items()},
            created=row["created"],
            accepted=row["accepted"],
        )
        for row in db.rows(_SQL["entries_of"], key=key)
    ]


def commit_entry(tx: Transaction, entry: Entry, *, parts: Parts, step_run: StepRun, run: str) -> None:
    """Remember a result under its key. From here on, the step is a hit."""
    tx.execute(
        _SQL["commit_entry"],
        key=entry.key,
        variant=entry.variant,
        function=parts.function,
        outputs=_json({name: artifact_to_json(artifact) for name, artifact in entry.outputs.items()}),
        parts=_json(dataclasses.asdict(parts)),
        reads=_json(traced.to_json(entry.reads)),
        stats=_stats(entry.stats),
        seconds=step_run.seconds,
        created=entry.created,
        run=run,
        step=step_run.step,
        accepted=entry.accepted,
    )


def set_stats(tx: Transaction, entry: Entry, stats: Mapping[str, Stat | None]) -> None:
    """Remember what a result's blobs look like now that their bytes were checked."""
    tx.execute(_SQL["set_stats"], key=entry.key, variant=entry.variant, stats=_stats(stats))


def forget_entry(tx: Transaction, entry: Entry) -> None:
    """Remove a result whose outputs are gone or damaged."""
    tx.execute(_SQL["forget_entry"], key=entry.key, variant=entry.variant)


def previous_parts(db: Reader, pipeline: str, *, step: str, shard: int, run: str = "") -> Previous | None:
    """Return what a step's last successful result was made of; None when there is none. `run` is left out."""
    last = db.row(_SQL["previous"], pipeline=pipeline, step=step, shard=shard, run=run)
    row = db.row(_SQL["entry"], key=last["key"], variant=last["variant"]) if last else None
    return (
        None if row is None or last is None else Previous(run=last["run"], key=row["key"], parts=_parts(row["parts"]))
    )


def latest_parts(db: Reader, function: str) -> Parts | None:
    """Return what the newest result of a function was made of, whichever step made it."""
    row = db.row(_SQL["latest_of_function"], function=function)
    return None if row is None else _parts(row["parts"])


def parts_of_entry(db: Reader, key: str, variant: str) -> Parts | None:
    """Return what a result was made of; None when it is not stored any more."""
    row = db.row(_SQL["entry"], key=key, variant=variant)
    return None if row is None else _parts(row["parts"])


def failed_last_time(db: Reader, pipeline: str, *, step: str, shard: int, run: str = "") -> bool:
    """True when a step's last attempt in another run failed."""
    row = db.row(_SQL["last_failed"], pipeline=pipeline, step=step, shard=shard, run=run)
    return row is not None and row["outcome"] == "failed"


def mean_seconds(db: Reader) -> dict[str, float]:
    """Return the mean seconds of work per function, of all stored results."""
    return {row["function"]: row["seconds"] for row in db.rows(_SQL["history"])}


def begin_run(tx: Transaction, run: Run, inputs: Mapping[str, Artifact]) -> None:
    """Note that a run has begun.

    Raises:
        RefusedError: a run of that id exists.
    """
    if tx.row(_SQL["run"], id=run.id) is not None:
        raise RefusedError(
            what=f"run {run.id} exists already",
            why="a run's id names it in the ledger, in logs and in bundles",
            fix="give a new id",
        )
    request = "" if run.request is None else _json(dataclasses.asdict(run.request))
    tx.execute(
        _SQL["insert_run"],
        id=run.id,
        pipeline=run.pipeline,
        started_at=run.started_at,
        request=request,
        graph=run.graph,
        inputs=_json({name: artifact_to_json(artifact) for name, artifact in inputs.items()}),
    )


def running(db: Reader, *, besides: str) -> list[str]:
    """Return the ids of the other runs that have not ended, as far as their rows say."""
    return [row["id"] for row in db.rows(_SQL["running"], id=besides)]


def end_run(tx: Transaction, id: str, *, state: str, ended_at: str) -> None:
    """Note how a run ended; an attempt that has not said how it ended was killed."""
    tx.execute(_SQL["end_run"], id=id, state=state, ended_at=ended_at)
    tx.execute(_SQL["end_attempts"], run=id)


def set_step_runs(tx: Transaction, run: str, rows: Sequence[tuple[int, StepRun]]) -> None:
    """Note what became of some steps; each comes with its position in the graph."""
    for position, step in rows:
        values = {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}
        values |= {name: _json(values[name]) for name in ("outputs", "inputs", "warnings")}
        tx.execute(_SQL["set_step_run"], run=run, position=position, **values)


def find_ended(db: Reader, run: str, step: str, shard: int) -> tuple[str, Mapping[str, Artifact]] | None:
    """Return (outcome, outputs) of a step in a run; None when it has not ended there."""
    row = db.row(_SQL["ended"], run=run, step=step, shard=shard)
    if row is None:
        return None
    return row["outcome"], _outputs(row["outputs"]) if row["outputs"] else {}


def run_inputs(db: Reader, id: str) -> dict[str, Artifact] | None:
    """Return the datasets that a run was given; None when there is no such run."""
    row = db.row(_SQL["run"], id=id)
    return None if row is None else dict(_outputs(row["inputs"]))


def load_run(db: Reader, id: str) -> Run | None:
    """Return a run with its steps, or None."""
    row = db.row(_SQL["run"], id=id)
    return None if row is None else _run(row, db.rows(_SQL["step_runs"], run=id))


def newest_graph(db: Reader) -> str:
    """Return the digest of the graph document of the run that began last; "" when there is none."""
    rows = db.rows(_SQL["runs"], limit=1)
    return rows[0]["graph"] if rows else ""


def recent_runs(db: Reader, limit: int = 20) -> list[Run]:
    """Return the newest runs, newest first."""
    return [_run(row, db.rows(_SQL["step_runs"], run=row["id"])) for row in db.rows(_SQL["runs"], limit=limit)]


def begin_attempt(tx: Transaction, attempt: AttemptName, *, owner: str, key: str, token: int, started_at: str) -> None:
    """Note that an attempt at a step has begun."""
    values = dataclasses.asdict(attempt)
    tx.execute(_SQL["begin_attempt"], **values, owner=owner, key=key, token=token, started_at=started_at)


def end_attempt(tx: Transaction, attempt: AttemptName, *, outcome: str) -> None:
    """Note how an attempt ended."""
    tx.execute(_SQL["end_attempt"], **dataclasses.asdict(attempt), outcome=outcome)


def find_lease(db: Reader, key: str) -> Held | None:
    """Return the row of a key's lease."""
    row = db.row(_SQL["lease"], key=key)
    return None if row is None else Held(owner=row["owner"], token=row["token"], expires=row["expires"])


def take_lease(tx: Transaction, key: str, *, owner: str, expires: float) -> int:
    """Make an owner the holder of a key and return its token."""
    tx.execute(_SQL["take_lease"], key=key, owner=owner, expires=expires)
    held = find_lease(tx, key)
    assert held is not None
    return held.token


def renew_lease(tx: Transaction, key: str, *, token: int, expires: float) -> None:
    """Hold a lease for longer, if it is still this owner's."""
    tx.execute(_SQL["renew_lease"], key=key, token=token, expires=expires)


def release_lease(tx: Transaction, key: str, *, token: int) -> None:
    """Let go of a lease, if it is still this owner's."""
    tx.execute(_SQL["release_lease"], key=key, token=token)


def drop_lease(tx: Transaction, key: str) -> None:
    """Remove a lease that nobody will take again."""
    tx.execute(_SQL["drop_lease"], key=key)


def find_checkpoint(db: Reader, key: str) -> Artifact | None:
    """Return what an unfinished step put aside."""
    row = db.row(_SQL["checkpoint"], key=key)
    return None if row is None else artifact_from_json(json.loads(row["artifact"]))


def save_checkpoint(tx: Transaction, key: str, artifact: Artifact, *, saved_at: str) -> None:
    """Put aside what an unfinished step has so far."""
    tx.execute(_SQL["save_checkpoint"], key=key, artifact=_json(artifact_to_json(artifact)), saved_at=saved_at)


def drop_checkpoint(tx: Transaction, key: str) -> None:
    """Forget a checkpoint: its step is done."""
    tx.execute(_SQL["drop_checkpoint"], key=key)


def _run(row: Row, steps: Sequence[Row]) -> Run:
    return Run(
        id=row["id"],
        pipeline=row["pipeline"],
        started_at=row["started_at"],
        state=row["state"],
        request=RunRequest(**json.loads(row["request"])) if row["request"] else None,
        graph=row["graph"],
        ended_at=row["ended_at"],
        steps=tuple(_step_run(step) for step in steps),
    )


def _step_run(row: Row) -> StepRun:
    lists = {
        "outputs": tuple((name, digest) for name, digest in json.loads(row["outputs"])),
        "inputs": tuple((name, digest, origin) for name, digest, origin in json.loads(row["inputs"])),
        "warnings": tuple(json.loads(row["warnings"])),
    }
    return StepRun(**{**row, **lists})


def _outputs(text: str) -> dict[str, Artifact]:
    return {name: artifact_from_json(item) for name, item in json.loads(text).items()}


def _stats(stats: Mapping[str, Stat | None]) -> str:
    return _json({name: None if stat is None else dataclasses.asdict(stat) for name, stat in stats.items()})


def _parts(text: str) -> Parts:
    plain: dict[str, Any] = json.loads(text)
    return Parts(
        function=plain["function"],
        code=plain["code"],
        source=plain["source"],
        environment=plain["environment"],
        policy=plain["policy"],
        params={name: (digest, shown) for name, (digest, shown) in plain["params"].items()},
        inputs={name: (digest, origin) for name, (digest, origin) in plain["inputs"].items()},
    )


def _json(value: object) -> str:
    return canonical_names(value).decode()
