"""The steps of one run: which are ready, which are at work, what became of the others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from detent.errors import StepError
from detent.pipeline import store
from detent.pipeline.artifacts import Artifact
from detent.pipeline.codecs.table import discard_damaged
from detent.pipeline.executors.protocol import Done, Ended, Executor, Job, Stored, StoredRecord
from detent.pipeline.failure import step_error
from detent.pipeline.fingerprint.code import Code, CodeReader
from detent.pipeline.frame import framed_digest
from detent.pipeline.nodes import Graph, Node, Port, RecordPort, replace_ports
from detent.pipeline.plan import DAMAGED, UNCHANGED, Parts, key_of, parts_of, why
from detent.pipeline.retry import retry_delay
from detent.pipeline.workspace import Workspace
from detent.records.run import StepRun

HIT, RAN, FAILED, SKIPPED = "hit", "ran", "failed", "skipped"


@dataclass(slots=True)
class _Attempt:
    """A step that is not in the cache and has to be done."""

    node: Node
    parts: Parts
    files: Mapping[str, str]  # project files that were fingerprinted for it
    key: str
    why: str
    number: int = 1
    not_before: float = 0.0  # monotonic seconds
    seconds: float = 0.0  # of all attempts so far


class Schedule:
    """Moves a run forward: cached steps at once, the others through an executor, several at a time."""

    def __init__(
        self,
        graph: Graph,
        artifacts: Mapping[Port, Artifact],
        *,
        workspace: Workspace,
        run_id: str,
        reader: CodeReader,
        progress: Callable[[str, str, str], None],
    ) -> None:
        self.artifacts = dict(artifacts)  # what is there so far
        self.errors: list[StepError] = []
        self._graph = graph
        self._workspace = workspace
        self._run_id = run_id
        self._reader = reader
        self._progress = progress
        self._done: dict[str, StepRun] = {}
        self._waiting = list(graph.nodes)  # not planned yet
        self._attempts: list[_Attempt] = []  # planned, not at work
        self._working: dict[str, _Attempt] = {}
        self._code = framed_digest([str(workspace.folder), *self._files().items()])

    def finish(self, executor: Executor) -> None:
        """Go on until every step has ended."""
        while self._waiting or self._attempts or self._working:
            self._plan_ready()
            self._start_attempts(executor)
            if self._working or self._attempts:
                for ended in executor.wait(self._delay()):
                    self._settle(ended)

    def step_runs(self) -> tuple[StepRun, ...]:
        """Return what became of each step that has ended, in the graph's order."""
        return tuple(self._done[node.name] for node in self._graph.nodes if node.name in self._done)

    def _plan_ready(self) -> None:
        """Plan every step whose inputs are there; hits make more of them ready, and failures skip what follows."""
        moved = True
        while moved:
            moved = False
            for node in list(self._waiting):
                blockers = [port.source for port in node.upstream if self._ended_badly(port.source)]
                ready = all(port in self.artifacts for port in node.upstream)
                if blockers or ready:
                    self._waiting.remove(node)
                    moved = True
                if blockers:
                    self._skip(node, blockers[0])
                elif ready:
                    self._plan(node)

    def _plan(self, node: Node) -> None:
        code = self._code_of(node)
        parts = parts_of(node, f"{self._file(node) or node.module}:{node.attribute}", code, self.artifacts)
        key = key_of(parts)
        outputs = store.find_outputs(self._workspace.db, key)
        if outputs is None:
            reason = why(parts, store.previous_parts(self._workspace.db, self._graph.name, node.name))
        elif discard_damaged(outputs.values(), self._workspace.blobs):
            reason = DAMAGED
        else:
            self._keep(node, outputs)
            self._end(_row(node, HIT, UNCHANGED, key=key, outputs=_digests(outputs)), UNCHANGED)
            return
        self._attempts.append(_Attempt(node, parts, code.files, key, reason))

    def _code_of(self, node: Node) -> Code:
        # The class of an input, when the project has it, is code that the step runs without naming it.
        types = [artifact.type for artifact in map(self.artifacts.__getitem__, node.upstream) if artifact.type]
        types += [record.type for record in node.records]
        names = [(module, path.partition(".")[0]) for module, _, path in (kind.partition(":") for kind in types)]
        return self._reader.code_of([(node.module, node.attribute), *names])

    def _start_attempts(self, executor: Executor) -> None:
        now = time.monotonic()
        for attempt in [one for one in self._attempts if one.not_before <= now][: executor.free()]:
            self._attempts.remove(attempt)
            self._working[attempt.node.name] = attempt
            self._progress(attempt.node.name, "start", attempt.why)
            executor.start(self._job(attempt))

    def _delay(self) -> float | None:
        """Return the seconds until the next delayed attempt may start; None when there is none to wait for."""
        pauses = [attempt.not_before - time.monotonic() for attempt in self._attempts]
        return max(0.0, min(pauses)) if pauses and min(pauses) > 0 else (None if self._working else 0.0)

    def _settle(self, ended: Ended) -> None:
        attempt = self._working.pop(ended.job.step)
        attempt.seconds += ended.seconds
        if isinstance(ended.outcome, Done):
            self._commit(attempt, dict(ended.outcome.outputs))
            return
        delay = retry_delay(ended.outcome, attempt.number, attempt.node.retries)
        error = step_error(ended, ended.job.log)
        if delay is None:
            self._fail(attempt, error)
            return
        self._progress(attempt.node.name, "retry", error.why)
        attempt.number += 1
        attempt.not_before = time.monotonic() + delay
        self._attempts.append(attempt)

    def _commit(self, attempt: _Attempt, outputs: dict[str, Artifact]) -> None:
        """The blobs are there already; one transaction makes them the step's result."""
        edited = self._reader.edited(attempt.files)
        if edited is not None:
            self._fail(attempt, _edited(attempt.node, edited))
            return
        row = dataclasses.replace(self._attempted(attempt, RAN), outputs=_digests(outputs))
        with self._workspace.db.transaction() as tx:
            store.commit_step(tx, row, parts=attempt.parts, outputs=outputs, now=self._workspace.clock.now())
        self._keep(attempt.node, outputs)
        self._end(row, f"{attempt.seconds:.2f} s")

    def _fail(self, attempt: _Attempt, error: StepError) -> None:
        self.errors.append(error)
        self._end(dataclasses.replace(self._attempted(attempt, FAILED), error=str(error)), error.what)

    def _attempted(self, attempt: _Attempt, outcome: str) -> StepRun:
        row = _row(attempt.node, outcome, attempt.why, key=attempt.key)
        log = self._log(attempt)
        return dataclasses.replace(row, seconds=attempt.seconds, attempts=attempt.number, log=log)

    def _skip(self, node: Node, blocker: str) -> None:
        reason = f"`{blocker}` {self._done[blocker].outcome}"
        self._end(_row(node, SKIPPED, reason), reason)

    def _end(self, step_run: StepRun, detail: str) -> None:
        self._done[step_run.step] = step_run
        self._progress(step_run.step, step_run.outcome, detail)

    def _keep(self, node: Node, outputs: Mapping[str, Artifact]) -> None:
        self.artifacts.update({Port(node.name, name): artifact for name, artifact in outputs.items()})

    def _ended_badly(self, name: str) -> bool:
        return name in self._done and self._done[name].outcome in (FAILED, SKIPPED)

    def _job(self, attempt: _Attempt) -> Job:
        node = attempt.node
        return Job(
            step=node.name,
            attempt=attempt.number,
            module=node.module,
            attribute=node.attribute,
            file=self._file(node),
            folder=str(self._workspace.folder.resolve()),
            arguments={name: replace_ports(value, self._stored) for name, value in node.arguments},
            outputs=node.outputs,
            record=node.record,
            timeout=node.timeout,
            log=str(self._workspace.state / self._log(attempt)),
            blobs=self._workspace.blobs,
            code=self._code,
        )

    def _stored(self, port: Port | RecordPort) -> Stored | StoredRecord:
        if isinstance(port, Port):
            return Stored(self.artifacts[port])
        return StoredRecord(port.type, tuple((name, self.artifacts[field]) for name, field in port.fields))

    def _file(self, node: Node) -> str:
        """Return the step's file relative to the project; "" when it is installed from elsewhere."""
        path, folder = Path(node.file).resolve(), self._workspace.folder.resolve()
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""

    def _files(self) -> Mapping[str, str]:
        return self._reader.code_of([(node.module, node.attribute) for node in self._graph.nodes]).files

    def _log(self, attempt: _Attempt) -> str:
        return f"runs/{self._run_id}/{attempt.node.name}.{attempt.number}.log"


def _row(node: Node, outcome: str, why: str, *, key: str = "", outputs: tuple[tuple[str, str], ...] = ()) -> StepRun:
    return StepRun(
        step=node.name, outcome=outcome, why=why, key=key, seconds=0.0, attempts=0, log="", outputs=outputs
    )  # fmt: skip


def _digests(outputs: Mapping[str, Artifact]) -> tuple[tuple[str, str], ...]:
    return tuple((name, artifact.digest) for name, artifact in outputs.items())


def _edited(node: Node, file: str) -> StepError:
    return StepError(
        what=f"{file} was edited while step `{node.name}` ran",
        why="nobody can say which version of the code made the result, so it is not kept",
        fix="run again",
    )
