"""What a thing was made from: version <- bundle <- run <- steps <- snapshots."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from detent.errors import DataError, DetentError, did_you_mean
from detent.gate import store as verdicts
from detent.loop.happened import IMPORTED, MADE, events_about, first_event
from detent.loop.lineage.executions import ALWAYS, find_snapshot, inputs_of, outputs_of
from detent.loop.lineage.spans import alias_spans
from detent.loop.lineage.wiring import source_of
from detent.records.lineage import Edge, Node
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.store.canonical import digest_of
from detent.store.database import Reader, Row
from detent.store.queries import load_queries

RESULTS = ("model", "train", "evaluation")  # what a candidate is made of
_SQL = load_queries("detent.loop.lineage")


class Ancestry:
    """A graph that grows upwards. Every method adds what it is asked for, with all above, and returns its node id."""

    def __init__(self, db: Reader, model: str) -> None:
        self._db, self._model = db, model
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []

    def version(self, number: int) -> str:
        """Add a registered version.

        Raises:
            RefusedError: there is none of that number.
        """
        version = versions.get(self._db, self._model, number)
        spans = [asdict(span) for span in alias_spans(self._db, self._model) if span.number == number]
        node = f"version:{version}"
        facts = {"registered_at": version.registered_at, "origin": version.origin, "aliases": spans}
        self._add(node, "version", str(version), facts)
        self._edge(self._verdict(version), node, "judged")
        self._edge(self.bundle(version.digest, version.run), node, "bundle")
        return node

    def bundle(self, digest: str, run: str) -> str:
        """Add a candidate's bundle and the run that made it."""
        node = f"bundle:{digest}"
        if self._add(node, "bundle", digest[:12], {"digest": digest}):
            self._edge(self.run(run), node, "")
        return node

    def run(self, run: str) -> str:
        """Add a run and what its results come from; of a run without a candidate, every last step."""
        node = f"run:{run}"
        row = self._db.row(_SQL["run"], run=run)
        if not self._add(node, "run", run, self._foreign(run) if row is None else run_facts(row)) or row is None:
            return node
        made = first_event(self._db, MADE, f"run:{run}")
        steps = steps_of(self._db, run)
        results = _results(steps, {} if made is None else made.payload)
        for name, role in results:
            self._edge(f"step:{run}/{name}", node, role)
        self._walk(run, steps, [name for name, _ in results])
        return node

    def step(self, run: str, name: str, shard: int | None = None) -> str:
        """Add a step of a run, or one item of it, and what it reads from.

        Raises:
            DataError: the run has no such step.
        """
        rows = rows_of_step(self._db, run, name, shard)
        steps = steps_of(self._db, run)
        if shard is None:
            self._walk(run, steps, [name])
            return f"step:{run}/{name}"
        node = f"step:{run}/{name}[{shard}]"
        self._walk(run, steps, self._add_step(run, node, rows, steps))
        return node

    def _walk(self, run: str, steps: Mapping[str, list[Row]], first: Sequence[str]) -> None:
        """Add steps and all above them, nearest first; pipelines are deep, so this must not recurse."""
        waiting = deque(first)
        while waiting:
            name = waiting.popleft()
            node = f"step:{run}/{name}"
            if node not in self.nodes:
                waiting += self._add_step(run, node, steps[name], steps)

    def _add_step(self, run: str, node: str, rows: Sequence[Row], steps: Mapping[str, list[Row]]) -> list[str]:
        """Add one step with the edges into it, and return the steps that it reads from."""
        self._add(node, "step", node.rpartition("/")[2], step_facts(rows, run))
        read = {(parameter, origin): digest for row in rows for parameter, digest, origin in inputs_of(row)}
        above, row = [], self._db.row(_SQL["run"], run=run)
        ended = ALWAYS if row is None else row["ended_at"] or ALWAYS
        for (parameter, origin), digest in read.items():
            source = source_of(origin)
            role = parameter if source in (parameter, origin) else f"{parameter} = {origin}"
            if source in steps:
                above.append(source)
                self._edge(f"step:{run}/{source}", node, role)
            else:
                self._edge(self.snapshot(digest, source, ended), node, role)
        return above

    def artifact(self, digest: str, name: str) -> str:  # noqa: ARG002
        """Add a step's output and the step that made it first.

        Raises:
            DataError: no step made it.
        """
        maker = self._db.row(_SQL["maker"], needle=f'%"{digest}"%')
        if maker is None:
            raise DataError(
                what=f"no step made {digest[:12]}",
                why="no row of any run names it as an output",
                fix="take a digest from `detent lineage RUN --json`",
            )
        node = f"artifact:{digest}"
        self._add(node, "artifact", f"{maker['step']} {digest[:12]}", {"digest": digest})
        shard = None if maker["shard"] < 0 else maker["shard"]
        self._edge(self.step(maker["run"], maker["step"], shard), node, "")
        return node

    def dataset(self, name: str) -> str:
        """Add a dataset with its versions, newest first."""
        node = f"dataset:{name}"
        self._add(node, "dataset", name, {})
        for row in self._db.rows(_SQL["snapshots_of"], dataset=name):
            self._edge(self.snapshot(row["id"], name), node, "")
        return node

    def snapshot(self, digest: str, dataset: str, before: str = ALWAYS) -> str:
        """Add a snapshot of a dataset and where its rows came from: as it was cut last, but not after `before`."""
        node = f"snapshot:{dataset}@{digest}"
        self._add(node, "snapshot", f"{dataset}@{digest[:12]}", snapshot_facts(self._db, digest, dataset, before))
        return node

    def _verdict(self, version: ModelVersion) -> str:
        node = f"verdict:{version.verdict}"
        facts: dict[str, object] = {"digest": version.verdict}
        try:
            verdict = verdicts.load(self._db, version.verdict)
        except DetentError:
            facts["missing"] = True
        else:
            facts |= {
                "decision": verdict.decision,
                "checks": len(verdict.results),
                "rows": max((result.rows for result in verdict.results), default=0),
                "judged_at": verdict.judged_at,
                "champion": verdict.champion_digest,
            }
        self._add(node, "verdict", version.verdict[:12], facts)
        return node

    def _foreign(self, run: str) -> dict[str, object]:
        """Return what the ledger says of a run that no pipeline made."""
        events = list(events_about(self._db, f"run:{run}"))
        for event in events:
            if event.kind == IMPORTED:
                about = {name: event.payload[name] for name in ("predictor", "judged_on")}
                return {"imported": event.observed["source"], "at": event.time, **about}
        said = [str(event.payload["reason"]) for event in events if "reason" in event.payload]
        return {"reason": said[0]} if said else {}

    def _add(self, node: str, kind: str, label: str, facts: Mapping[str, object]) -> bool:
        """Add a node; False when it is there already, with all above it."""
        if node in self.nodes:
            return False
        self.nodes[node] = Node(id=node, kind=kind, label=label, facts=facts)
        return True

    def _edge(self, upstream: str, downstream: str, role: str) -> None:
        self.edges.append(Edge(upstream=upstream, downstream=downstream, role=role))


def steps_of(db: Reader, run: str) -> dict[str, list[Row]]:
    """Return the rows of a run by step, in order."""
    steps: dict[str, list[Row]] = {}
    for row in db.rows(_SQL["steps"], run=run):
        steps.setdefault(row["step"], []).append(row)
    return steps


def rows_of_step(db: Reader, run: str, name: str, shard: int | None) -> list[Row]:
    """Return the rows of a step, or of one item of it.

    Raises:
        DataError: there are none.
    """
    steps = steps_of(db, run)
    rows = [row for row in steps.get(name, ()) if shard in (None, row["shard"])]
    if not rows:
        raise DataError(
            what=f"{run} has no step `{name}`" + ("" if shard is None else f" with an item {shard}"),
            why="no row says that it ran, or was taken from the cache, there",
            fix=did_you_mean(name, list(steps)) if steps else "see the runs with `detent status`",
        )
    return rows


def snapshot_facts(db: Reader, digest: str, dataset: str, before: str = ALWAYS) -> dict[str, object]:
    """Return what is known of a version of a dataset, as it was cut last, but not after `before`."""
    row = find_snapshot(db, digest, dataset, before)
    if row is None:
        return {"digest": digest}
    known = {"rows": row["row_count"], "as_of": row["as_of"] or None, "source": row["source"]}
    return {"digest": digest, **known, "created": row["created"]}


def run_facts(row: Row) -> dict[str, object]:
    """Return what is known of a run."""
    request = json.loads(row["request"]) if row["request"] else {}
    return {
        "pipeline": row["pipeline"],
        "state": row["state"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"] or None,
        "asked": request.get("reason"),
    }


def _results(steps: Mapping[str, list[Row]], parts: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return (step, role) of what a candidate is made of; of no candidate, each step that no other reads from."""
    makers = {digest: name for name, rows in steps.items() for row in rows for _, digest in outputs_of(row)}
    roles: dict[str, list[str]] = {}
    for part in RESULTS:
        if parts.get(part) in makers:
            roles.setdefault(makers[str(parts[part])], []).append(part)
    if roles:
        return [(step, ", ".join(names)) for step, names in roles.items()]
    read = {source_of(origin) for rows in steps.values() for row in rows for _, _, origin in inputs_of(row)}
    return [(name, "") for name in steps if name not in read]


def step_facts(rows: Sequence[Row], run: str) -> dict[str, object]:
    """Return what is known of a step, with all items of a fan-out taken together."""
    outcomes: dict[str, int] = {}
    for row in rows:
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
    first = rows[0]
    code = json.loads(first["parts"] or "{}").get("code") or {}
    outputs = [list(output) for row in rows for output in outputs_of(row)]
    return {
        "outcomes": outcomes,
        "seconds": round(sum(row["seconds"] for row in rows if row["outcome"] != "hit"), 3),
        "made_in": first["made_in"] if first["made_in"] not in (None, run) else None,
        "key": first["key"] if len(rows) == 1 else None,
        "function": first["function"],
        "code": sorted(code),
        "code_digest": digest_of(code) if code else None,
        "outputs": outputs,
    }
