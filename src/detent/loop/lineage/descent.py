"""What was made from a thing: snapshot -> runs -> candidates -> versions -> aliases, endpoints and their times."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from detent.loop.happened import MADE, events_of_kind, verdicts_after
from detent.loop.lineage.ancestry import RESULTS, rows_of_step, run_facts, snapshot_facts, step_facts
from detent.loop.lineage.executions import outputs_of
from detent.loop.lineage.spans import alias_spans, serving_spans
from detent.loop.lineage.wiring import Wired, behind, snapshots_given, wired_runs
from detent.records.lineage import Edge, Node
from detent.registry import versions
from detent.store.database import Reader, Row
from detent.store.queries import load_queries

_SQL = load_queries("detent.loop.lineage")


class Descent:
    """A graph that grows downwards. Every method adds what it is asked for, with all below, and returns its node id."""

    def __init__(self, db: Reader, model: str) -> None:
        self._db, self._model = db, model
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []

    def dataset(self, name: str) -> str:
        """Add a dataset, its versions (newest first) and what was made from each."""
        node = f"dataset:{name}"
        self._add(node, "dataset", name, {})
        for row in self._db.rows(_SQL["snapshots_of"], dataset=name):
            self._edge(node, self._snapshot(row["id"], name), "")
        self._add_readers(f'%"{name}":%', name)
        return node

    def snapshot(self, digest: str, dataset: str) -> str:
        """Add one version of a dataset and what was made from it."""
        node = self._snapshot(digest, dataset)
        self._add_readers(f'%"{digest}"%', dataset)
        return node

    def artifact(self, digest: str, name: str) -> str:
        """Add a step's output and what was made from it, in whichever run it was made or taken from the cache."""
        node = f"artifact:{digest}"
        self._add(node, "artifact", f"{name} {digest[:12]}".strip(), {"digest": digest})
        self._add_makers(node, self._db.rows(_SQL["wiring_of_makers"], needle=f'%"{digest}"%'), {digest})
        return node

    def step(self, run: str, name: str, shard: int | None = None) -> str:
        """Add a step of a run, or one item of it, and what was made from its outputs, in that run and in others.

        Raises:
            DataError: the run has no such step.
        """
        rows = rows_of_step(self._db, run, name, shard)
        label = name if shard is None else f"{name}[{shard}]"
        node = f"step:{run}/{label}"
        self._add(node, "step", label, step_facts(rows, run))
        digests = {digest for row in rows for _, digest in outputs_of(row)}
        given = self._db.rows(_SQL["outputs_of_step"], step=name)
        runs = dict.fromkeys(row["run"] for row in given if any(digest in digests for _, digest in outputs_of(row)))
        for maker in runs:
            self._add_makers(node, self._db.rows(_SQL["wiring_of_run"], run=maker), digests)
        return node

    def run(self, run: str) -> str:
        """Add a run and what came out of it; `run` may be one that no pipeline made."""
        node = f"run:{run}"
        for row, steps in wired_runs(self._db.rows(_SQL["wiring_of_run"], run=run)):
            return self._run(row, steps, steps, ())
        self._add(node, "run", run, {})
        self._candidate(node, run, RESULTS)
        return node

    def bundle(self, digest: str, run: str) -> str:
        """Add a candidate's bundle and what became of it."""
        self._candidate(None, run, RESULTS)
        return f"bundle:{digest}"

    def version(self, number: int) -> str:
        """Add a version, what it was called and where it answered.

        Raises:
            RefusedError: there is none of that number.
        """
        version = versions.get(self._db, self._model, number)
        node = f"version:{version}"
        if not self._add(node, "version", str(version), {"registered_at": version.registered_at}):
            return node
        for span in self._aliases.get(number, ()):
            below = f"alias:{self._model}@{span.alias}/{span.since}"
            facts = {"since": span.since, "until": span.until or None, "actor": span.actor, "reason": span.reason}
            self._add(below, "alias", span.alias, facts)
            self._edge(node, below, "")
        for span in self._served.get(number, ()):
            below = f"endpoint:{span.endpoint}/{number}/{span.since}"
            facts = {"since": span.since, "until": span.until or None, "most": span.most}
            self._add(below, "endpoint", span.endpoint, facts)
            self._edge(node, below, "")
        return node

    @cached_property
    def _made(self) -> dict[str, Mapping[str, Any]]:
        """Candidates by run."""
        return {_run_of(event.subject): event.payload for event in events_of_kind(self._db, MADE)}

    @cached_property
    def _judged(self) -> dict[str, tuple[str, object]]:
        """Verdicts on candidates by bundle: (decision, reason)."""
        return {
            event.payload["model_digest"]: (event.payload["decision"], event.observed.get("reason"))
            for event in verdicts_after(self._db, 0)
        }

    @cached_property
    def _versions(self) -> dict[str, int]:
        """Numbers of versions by bundle."""
        return {version.digest: version.number for version in versions.all_versions(self._db, self._model)}

    @cached_property
    def _aliases(self) -> dict[int, list[Any]]:
        return _by_number(alias_spans(self._db, self._model))

    @cached_property
    def _served(self) -> dict[int, list[Any]]:
        return _by_number(serving_spans(self._db))

    def _snapshot(self, digest: str, dataset: str) -> str:
        node = f"snapshot:{dataset}@{digest}"
        if node not in self.nodes:
            self._add(node, "snapshot", f"{dataset}@{digest[:12]}", snapshot_facts(self._db, digest, dataset))
        return node

    def _add_readers(self, needle: str, dataset: str) -> None:
        """Add every run that was given one of the dataset's versions that are in the graph."""
        for row, steps in wired_runs(self._db.rows(_SQL["wiring_of_readers"], needle=needle)):
            node = f"snapshot:{dataset}@{snapshots_given(row).get(dataset)}"
            if node in self.nodes:
                self._edge(node, self._run(row, steps, behind(steps, {dataset}), ()), "")

    def _add_makers(self, node: str, rows: Iterable[Row], digests: set[str]) -> None:
        """Add every run with a step that gave one of the digests."""
        for row, steps in wired_runs(rows):
            makers = {name for name, wired in steps.items() if wired.outputs & digests}
            if makers:
                below = self._run(row, steps, behind(steps, makers), digests)
                self._edge(node, below, ", ".join(sorted(makers)))

    def _run(self, row: Row, steps: Mapping[str, Wired], reached: Collection[str], made: Collection[str]) -> str:
        """Add a run of which the outputs of some steps, and some other outputs, are of interest."""
        run = row["id"]
        facts = {**run_facts(row), "steps": [name for name in steps if name in reached]}
        if self._add(f"run:{run}", "run", run, facts) and run in self._made:
            outputs = {digest for name in reached for digest in steps[name].outputs} | set(made)
            self._candidate(f"run:{run}", run, [part for part in RESULTS if self._made[run].get(part) in outputs])
        return f"run:{run}"

    def _candidate(self, run_node: str | None, run: str, parts: Sequence[str]) -> None:
        """Add the candidate of a run, if some of what it is made of is of interest."""
        candidate = self._made.get(run)
        if candidate is None or not parts:
            return
        digest = str(candidate["bundle"])
        node, number = f"bundle:{digest}", self._versions.get(digest)
        decision, reason = self._judged.get(digest, (None, None))
        facts = {"digest": digest, "decision": decision, "reason": reason, "origin": candidate.get("origin")}
        if run_node is not None:
            self._edge(run_node, node, ", ".join(parts))
        if self._add(node, "bundle", digest[:12], facts) and number is not None:
            self._edge(node, self.version(number), "")

    def _add(self, node: str, kind: str, label: str, facts: Mapping[str, object]) -> bool:
        if node in self.nodes:
            return False
        self.nodes[node] = Node(id=node, kind=kind, label=label, facts=facts)
        return True

    def _edge(self, upstream: str, downstream: str, role: str) -> None:
        self.edges.append(Edge(upstream=upstream, downstream=downstream, role=role))


def _by_number(spans: Sequence[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for span in spans:
        found.setdefault(span.number, []).append(span)
    return found


def _run_of(subject: str) -> str:
    return subject.removeprefix("run:")
