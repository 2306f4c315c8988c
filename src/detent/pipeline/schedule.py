"""The steps of one run: which are ready, which are at work, what became of the others."""

from __future__ import annotations

import dataclasses
import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from detent.errors import DetentError, StepError, TamperedError
from detent.pipeline import store
from detent.pipeline.artifacts import Artifact
from detent.pipeline.critical import critical_seconds
from detent.pipeline.document import Document
from detent.pipeline.execute import HIT, hit_row, log_name
from detent.pipeline.executors.protocol import Done, Ended, Executor, Task
from detent.pipeline.failure import said, step_error
from detent.pipeline.nodes import Node
from detent.pipeline.planner import FORCED, Planned, Planner, quarantine_damaged
from detent.pipeline.readiness import READY, Skip, readiness
from detent.pipeline.results import DONE, FAILED, SKIPPED, Results
from detent.pipeline.results import Ended as StepEnded
from detent.pipeline.retry import retry_delay
from detent.pipeline.tokens import Tokens
from detent.pipeline.workspace import Workspace
from detent.records.run import WHOLE, StepRun
from detent.store.clock import iso

RETRY, START = "retry", "start"
Progress = Callable[[str, str, str], None]  # (step, state, detail); state: start, hit, ran, retry, failed, skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a run goes about its steps."""

    force: frozenset[str] = frozenset()  # steps to run even when they have a result; "*" means all
    hermetic: bool = False

    def forces(self, step: str) -> bool:
        """True for a step that has to run whatever is stored."""
        return step in self.force or "*" in self.force


@dataclass(slots=True, order=True)
class _Attempt:
    """A call that is not in the cache and has to be made. The smallest one is the most urgent."""

    urgency: tuple[float, int, int]  # (-critical seconds, position in the graph, shard)
    planned: Planned = field(compare=False)
    why: str = field(compare=False)
    number: int = field(compare=False, default=1)
    not_before: float = field(compare=False, default=0.0)  # monotonic seconds
    seconds: float = field(compare=False, default=0.0)  # of all attempts so far


class Schedule:
    """Moves a run forward: cached steps at once, the others through an executor, the longest way to the end first."""

    def __init__(
        self,
        document: Document,
        *,
        workspace: Workspace,
        results: Results,
        planner: Planner,
        template: Task,
        how: How,
        progress: Progress,
    ) -> None:
        self.errors: list[StepError] = []
        self.rows: dict[tuple[str, int], StepRun] = {}
        self._document = document
        self._workspace = workspace
        self._results = results
        self._planner = planner
        self._template = template  # a task with everything but the step filled in
        self._how = how
        self._tell = progress
        self._said: list[tuple[str, str, str]] = []  # progress that was not told yet
        self._later = False  # tell it when there is nothing else to do
        self._critical = critical_seconds(document.graph, store.mean_seconds(workspace.db))
        self._followers = _followers(document)
        self._open = {node.name for node in document.graph.nodes}  # not ended
        self._begun: set[str] = set()  # planned, as a whole
        self._queue: list[_Attempt] = []  # ready, by urgency
        self._delayed: list[_Attempt] = []
        self._working: dict[tuple[str, int], _Attempt] = {}
        self._same: dict[str, list[_Attempt]] = {}  # key at work -> calls that wait for its result
        self._unwritten: list[StepRun] = []

    def finish(self, executor: Executor) -> None:
        """Go on until every step has ended; what ended is in the tables even when this raises."""
        tokens = Tokens(executor.total())
        try:
            self._advance(list(self._document.graph.nodes))
            self._later = True  # a step that only waits for the one before starts sooner
            while self._queue or self._delayed or self._working:
                self._write()  # before anything starts that reads it
                self._start_attempts(executor, tokens)
                self._tell_all()
                for ended in executor.wait(self._pause()):
                    tokens.give_back(ended.task)
                    self._settle(ended)
        finally:
            self._write()
            self._planner.save()
            self._tell_all()

    def _progress(self, step: str, state: str, detail: str) -> None:
        self._said.append((step, state, detail))
        if not self._later:
            self._tell_all()

    def _tell_all(self) -> None:
        said, self._said = self._said, []
        for one in said:
            self._tell(*one)

    def _advance(self, nodes: list[Node]) -> None:
        """Plan these nodes and, as far as they end at once, all that follows them."""
        waiting = list(reversed(nodes))
        while waiting:
            node = waiting.pop()
            if node.name not in self._open:
                continue
            if node.name not in self._begun:
                self._begin(node)
            if self._results.state(node.name) is not None:
                self._open.discard(node.name)
                waiting += [self._document.node(name) for name in reversed(self._followers[node.name])]

    def _begin(self, node: Node) -> None:
        try:
            state = readiness(node, self._results)
            if isinstance(state, Skip):
                self._begun.add(node.name)
                self._skip(node, state.reason)
            elif state == READY:
                self._begun.add(node.name)
                for shard in range(self._results.width(node)) if node.over else [WHOLE]:
                    self._plan(node, shard)
        except DetentError as error:  # it can't even be planned
            if isinstance(error, TamperedError):
                quarantine_damaged(self._results.known(node), self._workspace.blobs)
            self._begun.add(node.name)
            self._fail(_unplanned(node, error), StepRun(step=node.name, outcome=FAILED, why=error.what))

    def _plan(self, node: Node, shard: int) -> None:
        planned = self._planner.plan(node, shard)
        entry, why = (None, FORCED) if self._how.forces(node.name) else self._planner.find(planned)
        if entry is not None:
            self._end(hit_row(planned, entry), dict(entry.outputs), "unchanged", written=False)
            return
        urgency = (-self._critical[node.name], self._document.positions[node.name], shard)
        heapq.heappush(self._queue, _Attempt(urgency, planned, why))

    def _start_attempts(self, executor: Executor, tokens: Tokens) -> None:
        now = time.monotonic()
        for attempt in [one for one in self._delayed if one.not_before <= now]:
            self._delayed.remove(attempt)
            heapq.heappush(self._queue, attempt)
        held: list[_Attempt] = []
        while self._queue and tokens.slots:
            attempt = heapq.heappop(self._queue)
            task = self._task(attempt)
            if attempt.planned.key in self._same and not task.force:
                self._same[attempt.planned.key].append(attempt)  # its result will be this one's
            elif tokens.take(task):
                self._same.setdefault(attempt.planned.key, [])
                self._working[task.step, task.shard] = attempt
                self._progress(_label(attempt), START, attempt.why)
                executor.start(task)
            else:
                held.append(attempt)  # a smaller one may still fit
        for attempt in held:
            heapq.heappush(self._queue, attempt)

    def _pause(self) -> float | None:
        """Return the seconds until the next delayed attempt may start; None when there is none to wait for."""
        if not self._delayed:
            return None if self._working else 0.0
        return max(0.0, min(attempt.not_before for attempt in self._delayed) - time.monotonic())

    def _settle(self, ended: Ended) -> None:
        attempt = self._working.pop((ended.task.step, ended.task.shard))
        node = attempt.planned.node
        attempt.seconds += ended.seconds
        followers = [node]
        if isinstance(ended.outcome, Done):
            row = dataclasses.replace(ended.outcome.step_run, seconds=attempt.seconds)
            detail = f"{attempt.seconds:.2f} s" if row.outcome != HIT else "another run has made it meanwhile"
            self._end(row, dict(ended.outcome.outputs), detail, written=True)
        else:
            self._failed(attempt, ended)
        for same in self._same.pop(attempt.planned.key, []):
            self._plan(same.planned.node, same.planned.shard)
            followers.append(same.planned.node)
        self._advance(followers)

    def _failed(self, attempt: _Attempt, ended: Ended) -> None:
        node, task = attempt.planned.node, ended.task
        error = step_error(ended, name=_label(attempt), log=str(self._workspace.state / log_name(task)))
        delay = retry_delay(ended.outcome, attempt.number, node.options, seed=attempt.planned.key)
        if delay is not None:
            self._progress(_label(attempt), RETRY, f"{error.why}; again in {delay:.1f} s")
            attempt.number += 1
            attempt.not_before = time.monotonic() + delay
            self._delayed.append(attempt)
            return
        row = StepRun(
            step=node.name, shard=task.shard, outcome=FAILED, why=attempt.why, key=attempt.planned.key,
            seconds=attempt.seconds, attempts=attempt.number, log=log_name(task), inputs=attempt.planned.inputs,
        )  # fmt: skip
        self._fail(error, row)

    def _fail(self, error: StepError, row: StepRun) -> None:
        self.errors.append(error)
        self._end(dataclasses.replace(row, error=said(error)), {}, error.what, written=False)

    def _skip(self, node: Node, reason: str) -> None:
        self._end(StepRun(step=node.name, outcome=SKIPPED, why=reason), {}, reason, written=False)

    def _end(self, row: StepRun, outputs: Mapping[str, Artifact], detail: str, *, written: bool) -> None:
        if not written:
            row = dataclasses.replace(row, ended_at=iso(self._workspace.clock.now()))
            self._unwritten.append(row)
        self.rows[row.step, row.shard] = row
        state = row.outcome if row.outcome in (FAILED, SKIPPED) else DONE
        self._results.note(row.step, row.shard, StepEnded(state, outputs))
        self._progress(row.label, row.outcome, detail)
        for warning in row.warnings:
            self._progress(row.label, "warning", warning)

    def _write(self) -> None:
        if self._unwritten:
            with self._workspace.db.transaction(wait=store.PATIENCE) as tx:
                rows = [(self._document.positions[row.step], row) for row in self._unwritten]
                store.set_step_runs(tx, self._template.run, rows)
            self._unwritten.clear()

    def _task(self, attempt: _Attempt) -> Task:
        node = attempt.planned.node
        return dataclasses.replace(
            self._template,
            step=node.name,
            shard=attempt.planned.shard,
            attempt=attempt.number,
            key=attempt.planned.key,
            why=attempt.why,
            force=self._how.forces(node.name),
            now=iso(self._workspace.clock.now()),
            timeout=node.options.timeout,
            memory=node.options.memory,
            cpu=node.options.cpu,
            gpu=node.options.gpu,
        )


def _label(attempt: _Attempt) -> str:
    name, shard = attempt.planned.node.name, attempt.planned.shard
    return name if shard == WHOLE else f"{name}[{shard}]"


def _followers(document: Document) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {node.name: [] for node in document.graph.nodes}
    for node in document.graph.nodes:
        for source in dict.fromkeys(port.source for port in node.upstream):
            if source in found:
                found[source].append(node.name)
    return found


def _unplanned(node: Node, error: DetentError) -> StepError:
    return StepError(
        what=f"step `{node.name}` can't run: {error.what}", why=error.why, fix=error.fix, where=error.where
    )
