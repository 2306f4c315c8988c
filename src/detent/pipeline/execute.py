"""The one execution contract: bring one call of a step to its result, whoever asks.

Inputs come from the tables, the key decides between a stored result and work, and one transaction makes a new result
count. Doing it twice, at once or after a kill at any moment, does no harm: one owner works, the others wait for its
result, and whoever comes late can't commit.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from dataclasses import replace
from pathlib import Path

from detent.errors import DetentError, Place, ProjectError, StepError
from detent.pipeline import store
from detent.pipeline.artifacts import Artifact
from detent.pipeline.attempt import Attempts, Result, StepFailed
from detent.pipeline.executors.protocol import Done, Outcome, Task
from detent.pipeline.failure import raised
from detent.pipeline.lease import Lease, is_held, owner_name, renewed, try_lease
from detent.pipeline.nodes import Node
from detent.pipeline.planner import FORCED, Planned, stats_of
from detent.pipeline.readiness import READY, Skip, readiness
from detent.pipeline.results import FAILED
from detent.pipeline.session import Session, Sessions
from detent.pipeline.store import Entry
from detent.pipeline.trace.reads import to_json
from detent.records.run import StepRun
from detent.store.canonical import canonical_names, digest
from detent.store.clock import iso
from detent.store.database import Transaction

HIT, RAN, SKIPPED = "hit", "ran", "skipped"
_LONGEST_NAME = 200  # bytes; a file may have 255
_LOOKS = (0.02, 1.0)  # seconds between looks at a key that another process works on: first and longest


class _TakenOverError(Exception):
    """The lease ran out while the step worked: this process, or its machine, stood still for too long."""


def execute(task: Task, sessions: Sessions, attempts: Attempts) -> Outcome:
    """Bring a call to its result and return it; what the step's code raises is returned, not raised.

    A DetentError that is no step's fault (no such run, a store that can't be written) is returned in the same way.
    """
    try:
        _enter(Path(task.address.folder))
        while True:
            try:
                return _execute(task, sessions.open(task), attempts)
            except _TakenOverError:
                # What was made here is dropped: whoever took over has the result, or makes it. A forced step is done:
                # it was run, and its result is the other's.
                task = replace(task, force=False)
    except StepFailed as failed:
        return raised(failed.error, Path(task.address.folder), failed.retry_on)
    except Exception as error:  # noqa: BLE001  (a process edge: whatever happens is reported to whoever asked)
        return raised(error, Path(task.address.folder))


def _enter(folder: Path) -> None:
    """Go to the project folder: a step that reads a file by a relative path finds it from there, wherever it runs."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ProjectError(
            what="the project folder can't be entered",
            why=f"the operating system says: {error.strerror}",
            fix="restore it; perhaps a step removed or renamed it",
            where=Place(file=str(folder)),
        ) from error


def _execute(task: Task, session: Session, attempts: Attempts) -> Done:
    node = session.document.node(task.step)
    state = readiness(node, session.results)
    if isinstance(state, Skip):
        return _skip(task, session, node, state)
    if state != READY:
        raise too_early(node, task.run)
    planned = session.planner.plan(node, task.shard, again=bool(task.key))
    if task.key and task.key != planned.key:
        raise StepError(
            what=f"what decides step `{node.name}` changed after the run was planned",
            why="a project file, a package or something that it declares to read is not what it was a moment ago",
            fix="run again: a run is made of one state of the project",
        )
    lease = _wait_for_lease(task, session, planned)
    try:
        entry, why = (None, FORCED) if task.force else session.planner.find(planned, reason=not task.why)
        if entry is not None:
            return _hit(task, session, planned, entry, lease)
        log = log_name(task)
        with renewed(lease, session.workspace.db.beside):
            began, used = time.monotonic(), _cpu_seconds()
            result = attempts.make(
                planned,
                lease,
                session.workspace,
                log=session.workspace.state / log,
                hermetic=task.hermetic,
                key=session.key,
            )
            row = StepRun(
                step=node.name, shard=task.shard, outcome=RAN, why=task.why or why, key=planned.key,
                seconds=time.monotonic() - began, cpu_seconds=_cpu_seconds() - used, attempts=task.attempt, log=log,
                inputs=planned.inputs, warnings=result.warnings,
            )  # fmt: skip
            return _commit(session, planned, lease, row, result, task)
    except BaseException:
        with contextlib.suppress(DetentError), session.workspace.db.transaction() as tx:  # it runs out in any case
            store.release_lease(tx, lease.key, token=lease.token)
            store.end_attempt(tx, attempt_name(task), outcome=FAILED)
        raise


def _cpu_seconds() -> float:
    """Return the seconds on a core of this process and of those that it waited for."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def too_early(node: Node, run: str) -> ProjectError:
    """Return the error for a step that is asked for before what it needs has ended."""
    return ProjectError(
        what=f"step `{node.name}` can't run yet",
        why=f"something that it needs has not ended in run {run}",
        fix="execute the steps of a graph in its order, each after all that it needs",
    )


def attempt_name(task: Task) -> store.AttemptName:
    """Return what names the task's attempt in the tables."""
    return store.AttemptName(run=task.run, step=task.step, shard=task.shard, number=task.attempt)


def log_name(task: Task) -> str:
    """Return the path of an attempt's log, relative to the state folder."""
    item = "" if task.shard < 0 else f".{task.shard}"
    name = task.step if len(task.step.encode()) <= _LONGEST_NAME else digest(task.step.encode())
    return f"runs/{task.run}/{name}{item}.{task.attempt}.log"


def _wait_for_lease(task: Task, session: Session, planned: Planned) -> Lease:
    """Become the one who works on the key; while another process does, wait for it rather than do its work again."""
    pause, longest = _LOOKS
    db = session.workspace.db
    while True:
        with db.transaction() as tx:
            lease = try_lease(tx, planned.key)
            if lease is not None:
                store.begin_attempt(
                    tx,
                    attempt_name(task),
                    key=planned.key,
                    owner=owner_name(os.getpid()),
                    token=lease.token,
                    started_at=iso(session.workspace.clock.now()),
                )
                return lease
        time.sleep(pause)
        pause = min(longest, pause * 2)


def _skip(task: Task, session: Session, node: Node, skip: Skip) -> Done:
    row = StepRun(step=node.name, shard=task.shard, outcome=SKIPPED, why=skip.reason)
    with session.workspace.db.transaction() as tx:
        return _end(tx, session, task, row, {})


def _hit(task: Task, session: Session, planned: Planned, entry: Entry, lease: Lease) -> Done:
    row = hit_row(planned, entry)
    with session.workspace.db.transaction() as tx:
        store.release_lease(tx, lease.key, token=lease.token)
        return _end(tx, session, task, row, dict(entry.outputs))


def hit_row(planned: Planned, entry: Entry) -> StepRun:
    """Return what is written down about a call that a stored result answers."""
    return StepRun(
        step=planned.node.name,
        shard=planned.shard,
        outcome=HIT,
        why=f"accepted: {entry.accepted}" if entry.accepted else "unchanged",
        key=planned.key,
        variant=entry.variant,
        outputs=tuple((name, artifact.digest) for name, artifact in entry.outputs.items()),
        inputs=planned.inputs,
    )


def _commit(session: Session, planned: Planned, lease: Lease, row: StepRun, result: Result, task: Task) -> Done:
    """The blobs are there already; this transaction makes them the step's result."""
    edited = session.reader.edited(planned.code.files)
    if edited is not None:
        raise StepFailed(_edited(planned.node, edited), ())
    workspace = session.workspace
    entry = Entry(
        key=planned.key,
        variant=digest(canonical_names(to_json(result.reads))) if result.reads else "",
        outputs=result.outputs,
        reads=result.reads,
        stats=stats_of(result.outputs, workspace.blobs),
        created=iso(workspace.clock.now()),
    )
    row = replace(
        row,
        variant=entry.variant,
        outputs=tuple((name, artifact.digest) for name, artifact in entry.outputs.items()),
        warnings=(*row.warnings, *_differences(session, entry)),
    )
    with workspace.db.transaction(wait=store.PATIENCE) as tx:
        if not is_held(tx, lease):
            raise _TakenOverError
        store.commit_entry(tx, entry, parts=planned.parts, step_run=row, run=task.run)
        store.drop_checkpoint(tx, planned.key)
        store.release_lease(tx, lease.key, token=lease.token)
        return _end(tx, session, task, row, dict(entry.outputs))


def _end(tx: Transaction, session: Session, task: Task, row: StepRun, outputs: dict[str, Artifact]) -> Done:
    row = replace(row, ended_at=iso(session.workspace.clock.now()))
    store.set_step_runs(tx, task.run, [(session.document.positions[row.step], row)])
    store.end_attempt(tx, attempt_name(task), outcome=row.outcome)
    return Done(step_run=row, outputs=tuple(outputs.items()))


def _differences(session: Session, made: Entry) -> list[str]:
    """Name the outputs that came out differently although everything that decides them is the same."""
    return [
        f"not deterministic: output `{name}` differs from what the same work gave before"
        for entry in store.entries_of(session.workspace.db, made.key)
        if entry.variant == made.variant
        for name, artifact in made.outputs.items()
        if name in entry.outputs and entry.outputs[name].digest != artifact.digest
    ]


def _edited(node: Node, file: str) -> StepError:
    return StepError(
        what=f"{file} was edited while step `{node.name}` ran",
        why="nobody can say which version of the code made the result, so it is not kept",
        fix="run again",
    )
