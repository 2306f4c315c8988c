"""What would a run do? Every step with hit, run or maybe, and what changed since the last time. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from detent.errors import DetentError
from detent.pipeline import store
from detent.pipeline.artifacts import Artifact
from detent.pipeline.critical import UNKNOWN
from detent.pipeline.document import Document
from detent.pipeline.fingerprint.code import CodeReader
from detent.pipeline.nodes import Graph, Node
from detent.pipeline.parts import Parts
from detent.pipeline.plan import Change, changes, refuse_uncomparable
from detent.pipeline.planner import Planned, Planner
from detent.pipeline.readiness import READY, Skip, readiness
from detent.pipeline.results import DONE, FAILED, SKIPPED, Ended, Results
from detent.pipeline.workspace import Workspace
from detent.records.run import WHOLE

HIT, RUN, MAYBE, SKIP, BROKEN = "hit", "run", "maybe", "skip", "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a run would do with one step, or with one item of a fan-out."""

    step: str
    shard: int
    state: str  # hit | run | maybe (something before it runs, and may give other bytes) | skip | broken
    why: str
    seconds: float | None  # that its work took the last times; None when it has never run
    planned: Planned | None = None  # None: its inputs are not known yet
    before: Parts | None = None  # what its last result was made of
    before_key: str = ""
    before_run: str = ""

    @property
    def changes(self) -> list[Change]:
        """What differs from the last result."""
        return changes(self.planned.parts, self.before) if self.planned and self.before else []


def preview(graph: Graph, *, inputs: Mapping[str, Artifact], workspace: Workspace) -> list[Expected]:
    """Return what a run would do, in the graph's order.

    Raises:
        ProjectError: project code is no valid Python, or a parameter can't be compared.
    """
    refuse_uncomparable(graph.nodes)
    document = Document(graph=graph, bundle="")
    results = Results("", document, inputs, workspace.db, workspace.blobs)
    planner = Planner(results, workspace, CodeReader(workspace.folder), pipeline=graph.name, run="")
    looking = _Looking(graph, results, planner, workspace)
    return [expected for node in graph.nodes for expected in looking.at(node)]


class _Looking:
    """Goes through a graph and notes hits as results, so that what follows them can be planned."""

    def __init__(self, graph: Graph, results: Results, planner: Planner, workspace: Workspace) -> None:
        self._pipeline = graph.name
        self._results = results
        self._planner = planner
        self._db = workspace.db
        self._seconds = store.mean_seconds(workspace.db)

    def at(self, node: Node) -> Iterator[Expected]:
        seconds = self._seconds.get(node.function)
        try:
            state = readiness(node, self._results)
            if isinstance(state, Skip):
                self._results.note(node.name, WHOLE, Ended(SKIPPED, {}))
                yield Expected(step=node.name, shard=WHOLE, state=SKIP, why=state.reason, seconds=None)
            elif state == READY:
                for shard in range(self._results.width(node)) if node.over else [WHOLE]:
                    yield self._look(node, shard, seconds)
            else:
                waits = next(port.source for port in node.upstream if self._results.state(port.source) is None)
                why = f"`{waits}` comes first; if it gives the same bytes, this is a hit"
                yield Expected(step=node.name, shard=WHOLE, state=MAYBE, why=why, seconds=seconds)
        except DetentError as error:
            self._results.note(node.name, WHOLE, Ended(FAILED, {}))
            yield Expected(step=node.name, shard=WHOLE, state=BROKEN, why=f"{error.what}: {error.why}", seconds=None)

    def _look(self, node: Node, shard: int, seconds: float | None) -> Expected:
        planned = self._planner.plan(node, shard)
        entry, why = self._planner.find(planned)
        if entry is not None:
            self._results.note(node.name, shard, Ended(DONE, entry.outputs))
            return Expected(step=node.name, shard=shard, state=HIT, why=why, seconds=seconds, planned=planned)
        before = store.previous_parts(self._db, self._pipeline, step=node.name, shard=shard)
        return Expected(
            step=node.name,
            shard=shard,
            state=RUN,
            why=why,
            seconds=seconds,
            planned=planned,
            before=before.parts if before else None,
            before_key=before.key if before else "",
            before_run=before.run if before else "",
        )


def expected_seconds(steps: list[Expected]) -> tuple[float, float]:
    """Return how long the work would take one step after the other: (of what will run, with all that may run)."""
    sure = sum(UNKNOWN if step.seconds is None else step.seconds for step in steps if step.state == RUN)
    perhaps = sum(UNKNOWN if step.seconds is None else step.seconds for step in steps if step.state == MAYBE)
    return sure, sure + perhaps
