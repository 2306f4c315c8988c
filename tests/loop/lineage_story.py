"""A small history in the real tables: three datasets' versions, five runs, a sabotage, two versions that served."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from detent.data import store as snapshots
from detent.gate import store as verdicts
from detent.loop.workspace import Workspace, open_workspace
from detent.records.check import CheckResult, Verdict
from detent.records.event import Fact
from detent.records.snapshot import Part, Snapshot
from detent.registry import aliases, versions
from detent.store import ledger
from detent.store.canonical import canonical, digest
from detent.store.clock import VirtualClock, iso
from detent.store.database import Database, Transaction
from detent.store.migrate import migrate

ROOMS = ("detent.data", "detent.pipeline", "detent.gate", "detent.registry", "detent.tracking")
START = datetime(2025, 3, 1, 3, 0, tzinfo=UTC)
MODEL = "shop"
Outputs = dict[str, str]


def name(text: str) -> str:
    """A digest that is the same in every test."""
    return digest(text.encode())


class Story:
    """Writes rows as the rooms write them, beginning at a moment."""

    def __init__(self, db: Database, now: datetime = START) -> None:
        self.db = db
        self.now = now
        self._positions: dict[str, int] = {}

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def tell(self, kind: str, subject: str, payload: dict[str, Any], *, observed: dict[str, Any] | None = None) -> None:
        with self.db.transaction() as tx:
            fact = Fact(kind=kind, subject=subject, actor="cli:ann", payload=payload, observed=observed or {})
            ledger.append(tx, fact, self.now)

    def snapshot(self, dataset: str, *, rows: int, source: str | None = None) -> str:
        """Store a version of a dataset and return its id."""
        id = name(f"{dataset} {rows}")
        record = Snapshot(
            id=id,
            dataset=dataset,
            parts=(Part(digest=name(f"part of {id}"), rows=rows, bytes=rows * 10),),
            schema=(("id", "Int64"), ("at", "Datetime")),
            rows=rows,
            source=source or f"data/{dataset}.parquet",
            as_of=iso(self.now),
        )
        with self.db.transaction() as tx:
            snapshots.save(tx, record, self.now)
        return id

    def begin(self, run: str, inputs: dict[str, str], *, observed: dict[str, Any] | None = None) -> None:
        self.tell("run.started", f"run:{run}", {"reason": "cron"}, observed=observed)
        given = {dataset: {"digest": id, "parts": [id]} for dataset, id in inputs.items()}
        with self.db.transaction() as tx:
            tx.execute(
                "INSERT INTO runs (id, seq, pipeline, state, started_at, request, graph, inputs) "
                "SELECT :id, COALESCE(MAX(seq), 0) + 1, 'retrain', 'running', :at, :request, :graph, :inputs FROM runs",
                id=run,
                at=iso(self.now),
                request=_json({"reason": "cron", "detail": "It is Monday.", "asked_at": iso(self.now), "actor": "x"}),
                graph=name("graph"),
                inputs=_json(given),
            )

    def step(
        self,
        run: str,
        step: str,
        inputs: list[tuple[str, str, str]],
        outputs: Outputs,
        *,
        outcome: str = "ran",
        shard: int = -1,
        error: str = "",
        reads: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """A step of a run has ended."""
        self.later(seconds=30)
        position = self._positions.setdefault(f"{run}/{step}", len(self._positions))
        # What stands in the key makes it differ; a hit finds the entry of the run that made it.
        key = name(_json([step, shard, inputs, outputs])) if outcome != "failed" else name(f"{run} {step} failed")
        with self.db.transaction() as tx:
            if outcome == "ran":
                self._entry(tx, run, step, key, outputs, reads)
            tx.execute(
                "INSERT INTO step_runs (run, step, shard, position, outcome, why, key, variant, seconds, attempts, "
                "log, outputs, inputs, warnings, error, ended_at) VALUES (:run, :step, :shard, :position, :outcome, "
                ":why, :key, '', :seconds, 1, '', :outputs, :inputs, '[]', :error, :at)",
                run=run,
                step=step,
                shard=shard,
                position=position,
                outcome=outcome,
                why="unchanged" if outcome == "hit" else "input orders changed",
                key=key,
                seconds=12.5,
                outputs=_json([[output, digest] for output, digest in outputs.items()]),
                inputs=_json([list(entry) for entry in inputs]),
                error=error,
                at=iso(self.now),
            )

    def _entry(
        self, tx: Transaction, run: str, step: str, key: str, outputs: Outputs, reads: tuple[tuple[str, str], ...]
    ) -> None:
        stored = {
            output: {"digest": digest, "kind": "parquet", "type": "", "parts": [], "items": []}
            for output, digest in outputs.items()
        }
        parts = {
            "function": f"pipeline.py:{step}",
            "code": {f"pipeline.py:{step}": name(f"code of {step}"), "features.py:clean": name("clean")},
        }
        tx.execute(
            "INSERT INTO entries (key, variant, function, outputs, parts, reads, stats, seconds, created, run, step, "
            "accepted) VALUES (:key, '', :function, :outputs, :parts, :reads, :stats, 12.5, :at, :run, :step, '')",
            key=key,
            function=f"pipeline.py:{step}",
            outputs=_json(stored),
            stats=_json({digest: {"size": 1_000} for digest in outputs.values()}),
            parts=_json(parts),
            reads=_json([[kind, about, name(about)] for kind, about in reads]),
            at=iso(self.now),
            run=run,
            step=step,
        )

    def end(self, run: str, state: str = "succeeded") -> None:
        self.later(seconds=5)
        with self.db.transaction() as tx:
            tx.execute(
                "UPDATE runs SET state = :state, ended_at = :at WHERE id = :id", state=state, at=iso(self.now), id=run
            )

    def candidate(self, run: str, parts: Outputs, *, decision: str, origin: str = "pipeline") -> int | None:
        """A run's candidate comes before the gate; return its version when it passes."""
        bundle = name(f"bundle of {run}")
        payload = {"bundle": bundle, "origin": origin, "train_rows": 900, "evaluation_rows": 100, **parts}
        self.tell("candidate.made", f"run:{run}", payload)
        self.later(seconds=3)
        verdict = _verdict(bundle, decision, self.now)
        with self.db.transaction() as tx:
            verdicts.save(tx, verdict, MODEL, self.now)
            fact = verdicts.fact(verdict, model=MODEL, actor="cli:ann")
            ledger.append(
                tx,
                Fact(
                    kind=fact.kind,
                    subject=f"run:{run}",
                    actor=fact.actor,
                    payload=fact.payload,
                    observed={"reason": verdict.reason},
                ),
                self.now,
            )
            if decision != "pass":
                return None
            version = versions.register(
                tx, model=MODEL, digest=bundle, verdict=verdict, run=run, origin=origin, now=self.now
            )
        return version.number

    def promote(self, number: int, *, before: int | None, reason: str) -> None:
        """A version becomes challenger, takes a share of the traffic, and then all of it."""
        self._point("challenger", number, reason)
        shares = {str(before): 9_500, str(number): 500} if before else {str(number): 500}
        self.route({str(before): 10_000} if before else {}, shares, reason)
        self.later(hours=6)
        self._point("champion", number, f"{reason}: 1,204 answers, no more failures than before")
        self._point("challenger", None, reason)
        self.route(shares, {str(number): 10_000}, reason)

    def route(self, before: dict[str, int], after: dict[str, int], reason: str, shadows: tuple[int, ...] = ()) -> None:
        payload = {"before": before, "after": after, "shadows": list(shadows), "reason": reason}
        self.tell("route.changed", "endpoint:shop", payload)

    def _point(self, alias: str, number: int | None, reason: str) -> None:
        with self.db.transaction() as tx:
            aliases.set_alias(
                tx, model=MODEL, alias=alias, number=number, actor="controller", reason=reason, now=self.now
            )


def tell_story(db: Database) -> Story:
    """run-0001 -> version 1; run-0002 fails; run-0003 is refused; run-0004 -> version 2; a sabotage is refused."""
    story = Story(db)
    story.tell("state.created", "project:shop", {})
    old = {"orders": story.snapshot("orders", rows=1_000), "labels": story.snapshot("labels", rows=1_000)}
    checkout = {"commit": "4c2b6d1380aed19e0009ed5e9178faf06465cf3a", "dirty": True, "branch": "main",
                "repository": "git@example.org:ann/shop.git", "path": "models/shop"}  # fmt: skip
    story.begin("run-0001", old, observed={"checkout": checkout})
    parts = _pipeline(story, "run-0001", old, tag="1")
    story.end("run-0001")
    first = story.candidate("run-0001", parts, decision="pass")
    story.promote(first or 0, before=None, reason="the first version")
    story.later(days=7)
    new = {"orders": story.snapshot("orders", rows=1_450), "labels": old["labels"]}
    story.begin("run-0002", new)
    story.step("run-0002", "clean", [("orders", new["orders"], "orders")], {"result": name("clean 2")})
    story.step("run-0002", "split", [("rows", name("clean 2"), "clean")], {}, outcome="failed",
               error="step `split` failed: no rows\n  why:   they are gone\n  fix:   bring them back")  # fmt: skip
    story.end("run-0002", "failed")
    story.later(days=1)
    story.begin("run-0003", new)
    parts = _pipeline(story, "run-0003", new, tag="3", cleaned="2")
    story.end("run-0003")
    story.candidate("run-0003", parts, decision="reject")
    story.later(days=1)
    newest = {"orders": story.snapshot("orders", rows=1_700), "labels": story.snapshot("labels", rows=1_690)}
    story.begin("run-0004", newest)
    parts = _pipeline(story, "run-0004", newest, tag="4")
    story.end("run-0004")
    second = story.candidate("run-0004", parts, decision="pass")
    story.promote(second or 0, before=first, reason="all stages passed")
    story.later(days=1)
    why = {"kind": "leak", "reason": "known-bad candidate `leak`, made from version 2"}
    story.tell("sabotage.shipped", "run:sabotage-01-leak", why)
    story.candidate("sabotage-01-leak", {}, decision="reject", origin="sabotage:leak")
    return story


def _pipeline(story: Story, run: str, data: dict[str, str], *, tag: str, cleaned: str = "") -> Outputs:
    """clean -> split -> train, with scores of three slices and a report that nothing reads."""
    clean, train, evaluation = name(f"clean {cleaned or tag}"), name(f"train {tag}"), name(f"evaluation {tag}")
    model = name(f"model {tag}")
    hit = "hit" if cleaned else "ran"
    story.step(run, "clean", [("orders", data["orders"], "orders")], {"result": clean}, outcome=hit)
    split = [("rows", clean, "clean"), ("labels", data["labels"], "labels")]
    story.step(run, "split", split, {"train": train, "evaluation": evaluation})
    story.step(run, "train", [("rows", train, "split.train")], {"result": model}, reads=(("env", "API_TOKEN"),))
    for shard in range(3):
        inputs = [("model", model, "train"), ("part", evaluation, f"split.evaluation[{shard}]")]
        story.step(run, "score", inputs, {"result": name(f"score {tag} {shard}")}, shard=shard)
    story.step(run, "report", [("scores", name("list"), "score")], {"result": name(f"report {tag}")})
    return {"model": model, "train": train, "evaluation": evaluation}


def _verdict(bundle: str, decision: str, now: datetime) -> Verdict:
    result = CheckResult(
        check="roc_auc >= 0.65",
        kind="threshold",
        decision=decision,
        value=0.7,
        low=0.68,
        high=0.72,
        threshold=0.65,
        rows=100,
        reason="roc_auc is 0.70",
        measured=False,
    )
    return Verdict(
        id=name(f"verdict on {bundle}"),
        decision=decision,
        results=(result,),
        model_digest=bundle,
        data_digest=name("evaluation"),
        policy_digest=name("policy"),
        champion_digest=None,
        reason="roc_auc is 0.70 and at least 0.65 is needed" if decision == "pass" else "roc_auc is 0.61, below 0.65",
        judged_at=iso(now),
    )


def _json(value: object) -> str:
    return canonical(value).decode()


PROJECT = """
project: shop
pipeline: pipeline.py:retrain
data:
  orders: {source: data/orders.parquet, time: at, key: id}
  labels: {source: data/labels.parquet}
target: {data: labels, column: label}
features: features.py:features
gate: [roc_auc >= 0.65]
"""


def open_shop(folder: Path, *, lineage: str = "") -> Workspace:
    """Open a project whose state is empty; `lineage` is that section of detent.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "detent.yaml").write_text(PROJECT + (f"lineage: {lineage}\n" if lineage else ""))
    clock = folder / "clock"
    begun = VirtualClock(clock) if clock.exists() else VirtualClock(clock, start=START)
    ws = open_workspace(folder, clock=begun, actor="cli:ann")
    migrate(ws.db, ROOMS)
    return ws
