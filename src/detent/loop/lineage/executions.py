"""Rows of runs, steps, snapshots and verdicts -> executions, as lineage servers are told of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from detent.loop.happened import MADE, STARTED, first_event
from detent.loop.lineage.checkout import checkout_of
from detent.records.event import Event
from detent.records.lineage import CacheUse, Checkout, DatasetUse, Execution
from detent.store.clock import iso, parse
from detent.store.database import Reader, Row
from detent.store.queries import load_queries

RUNNING, SKIPPED = "running", "skipped"
_SQL = load_queries("detent.loop.lineage")
_ITEM = re.compile(r"\[\d+\]$")  # of one item of a fan-out
ALWAYS = "9999"  # after every moment, as text
_RESULT = "result"  # output of a step that returns one value; its name says nothing


def executions_of_run(db: Reader, run: Row) -> Iterator[Execution]:
    """Yield a run and what has become of its steps so far; the run's own end comes with it when it has ended.

    A step that was skipped never began, so nothing is told of it.
    """
    steps = db.rows(_SQL["steps"], run=run["id"])
    data = datasets_read(db, run)
    checkout = _checkout(db, run["id"])
    failed = [step for step in steps if step["outcome"] == "failed"]
    yield Execution(
        id=run["id"],
        job=run["pipeline"],
        kind="PIPELINE",
        parent=None,
        state=run["state"] if run["state"] != "failed" or failed else "aborted",
        started_at=run["started_at"],
        ended_at="" if run["state"] == RUNNING else run["ended_at"] or _last(steps, run),
        inputs=tuple(data.values()),
        error="; ".join(f"step {_label(step)}: {_first_line(step['error'])}" for step in failed),
        checkout=checkout,
    )
    for step in steps:
        if step["outcome"] != SKIPPED:
            yield _step(run, step, data, checkout)


def datasets_read(db: Reader, run: Row) -> dict[str, DatasetUse]:
    """Return the snapshots that a run was given, by the dataset's name."""
    found = {}
    for name, given in sorted(json.loads(run["inputs"] or "{}").items()):
        row = find_snapshot(db, given["digest"], name)
        found[name] = DatasetUse(name=name, digest=given["digest"]) if row is None else snapshot_use(row)
    return found


def find_snapshot(db: Reader, digest: str, dataset: str, before: str = ALWAYS) -> Row | None:
    """Return the row of a dataset's version, whether it was cut by a run or added by hand.

    The same rows may have been cut many times: it is the newest cut not later than `before`, else the newest of all.
    """
    row = db.row(_SQL["snapshot"], digest=digest, dataset=dataset, before=before)
    return row if row is not None or before == ALWAYS else find_snapshot(db, digest, dataset)


def snapshot_use(row: Row) -> DatasetUse:
    """Return a row of `find_snapshot` as a dataset in one version."""
    parts = json.loads(row["parts"]) if row["parts"] else []
    return DatasetUse(
        name=row["dataset"],
        digest=row["id"],
        rows=row["row_count"],
        bytes=row["bytes"] if row["parts"] is None else sum(part[2] for part in parts),
        files=row["files"] if row["parts"] is None else len(parts),
        columns=tuple((name, kind) for name, kind in json.loads(row["columns"] or "[]")),
        source=row["source"],
    )


def judgement(db: Reader, event: Event, *, model: str, pipeline: str) -> Execution:
    """Return a verdict as an execution of the job `<pipeline>.gate`: evaluation rows and model in, version out.

    A refusal is no failure: it succeeded, and wrote nothing.
    """
    run = event.subject.removeprefix("run:")
    row = db.row(_SQL["run"], run=run)
    job = row["pipeline"] if row else pipeline
    made = first_event(db, MADE, event.subject)
    parts = {} if made is None else made.payload
    names = {} if row is None else _names_by_digest(db.rows(_SQL["steps"], run=run), job)
    asked = tuple((text, decision == "pass") for text, decision in sorted(event.payload.get("checks", {}).items()))
    inputs = [
        DatasetUse(
            name=names.get(parts[part], f"{job}.{part}"),
            digest=parts[part],
            assertions=asked if part == "evaluation" else (),
        )
        for part in ("model", "train", "evaluation")
        if part in parts
    ]
    bundle = DatasetUse(name=f"models/{model}", digest=event.payload["model_digest"])
    return Execution(
        id=f"gate/{event.seq}",
        job=f"{job}.gate",
        kind="GATE",
        parent=(run, job) if row else None,
        state="succeeded",
        started_at=event.time,
        ended_at=event.time,
        inputs=tuple(inputs),
        outputs=(bundle,) if event.payload.get("decision") == "pass" else (),
    )


def outputs_of(step: Row) -> list[tuple[str, str]]:
    """Return (output name, digest) of a row of `step_runs`."""
    return [(name, digest) for name, digest in json.loads(step["outputs"])]


def inputs_of(step: Row) -> list[tuple[str, str, str]]:
    """Return (parameter, digest, origin) of a row of `step_runs`; the origin without the number of an item."""
    return [(name, digest, _ITEM.sub("", origin)) for name, digest, origin in json.loads(step["inputs"])]


def _step(run: Row, step: Row, data: Mapping[str, DatasetUse], checkout: Checkout | None) -> Execution:
    pipeline, seconds = run["pipeline"], step["seconds"] if step["outcome"] != "hit" else 0.0
    amounts = _amounts(step)
    unknown = (None, None)
    taken = {origin: _use(pipeline, origin, digest, data) for _, digest, origin in inputs_of(step)}
    return Execution(
        id=f"{run['id']}/{_label(step)}",
        job=f"{pipeline}.{step['step']}",
        kind="STEP",
        parent=(run["id"], pipeline),
        state="failed" if step["outcome"] == "failed" else "succeeded",
        started_at=iso(parse(step["ended_at"]) - timedelta(seconds=seconds)),
        ended_at=step["ended_at"],
        inputs=tuple(taken.values()),
        outputs=tuple(
            DatasetUse(name=_output_name(pipeline, step["step"], name), digest=digest, files=files, bytes=size)
            for name, digest in outputs_of(step)
            for files, size in [amounts.get(name, unknown)]
        ),
        cache=CacheUse(key=step["key"], hit=step["outcome"] == "hit", reason=step["why"]),
        error=step["error"],
        variables=tuple(name for kind, name, _ in json.loads(step["reads"] or "[]") if kind == "env"),
        checkout=checkout,
        file=(step["function"] or "").partition(":")[0],
    )


def _use(pipeline: str, origin: str, digest: str, data: Mapping[str, DatasetUse]) -> DatasetUse:
    known = data.get(origin)
    return known if known is not None else DatasetUse(name=f"{pipeline}.{origin}", digest=digest)


def _output_name(pipeline: str, step: str, output: str) -> str:
    """Return a name that equals the origin which a reader of that output has."""
    return f"{pipeline}.{step}" if output == _RESULT else f"{pipeline}.{step}.{output}"


def _names_by_digest(steps: list[Row], pipeline: str) -> dict[str, str]:
    return {digest: _output_name(pipeline, step["step"], name) for step in steps for name, digest in outputs_of(step)}


def _amounts(step: Row) -> dict[str, tuple[int, int | None]]:
    """Return files and bytes of each output, without folders: a cache entry names only the list of their files."""
    looks = json.loads(step["stats"] or "{}")
    found = {}
    for name, artifact in json.loads(step["stored"] or "{}").items():
        if artifact["kind"] != "folder":
            blobs = list(_blobs(artifact))
            sizes = [looks[blob]["size"] for blob in blobs if looks.get(blob)]
            found[name] = (len(blobs), sum(sizes) if len(sizes) == len(blobs) else None)
    return found


def _blobs(artifact: Mapping[str, Any]) -> Iterator[str]:
    """Yield the blobs that hold an artifact and its items."""
    yield from artifact.get("parts") or ([] if artifact["kind"] == "list" else [artifact["digest"]])
    for item in artifact.get("items") or ():
        yield from _blobs(item)


def _checkout(db: Reader, run: str) -> Checkout | None:
    started = first_event(db, STARTED, f"run:{run}")
    return None if started is None else checkout_of(started.observed)


def _label(step: Row) -> str:
    return step["step"] if step["shard"] < 0 else f"{step['step']}[{step['shard']}]"


def _last(steps: list[Row], run: Row) -> str:
    return max((step["ended_at"] for step in steps), default=run["started_at"])


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
