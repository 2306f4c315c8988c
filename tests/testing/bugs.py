"""Planted bugs: parts of a simulated week that do one thing wrong, as a slip in the real ones would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from detent.bundle.load import load
from detent.loop.train import Outcome
from detent.loop.workspace import Workspace
from detent.predictions import LabelCounts, record
from detent.records.event import Fact
from detent.records.prediction import Label
from detent.records.run import RunRequest
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.serving.models.loaded import LoadedVersion, Pace
from detent.serving.models.locate import read_index
from detent.serving.rows.validate import RowReader
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Row, SqliteDatabase, Transaction
from detent.store.queries import load_queries
from detent.store.turns import LogRow
from detent.testing.sim.campaign import Campaign
from detent.testing.sim.parts import Parts
from detent.testing.sim.pool import Made
from detent.testing.sim.serving import Admit, MortalLog
from detent.testing.sim.training import candidate_for, put_forward

_REGISTRY, _OUTBOX, _TRIGGER = map(load_queries, ("detent.registry", "detent.monitor", "detent.trigger"))


class PromotesInTwo(SqliteDatabase):
    """The rollout is promoted in one transaction, and the alias follows in the next."""

    def execute(self, sql: str, **values: Any) -> int:
        if sql == _REGISTRY["insert_change"] and values["alias"] == "champion":
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN IMMEDIATE")
        return super().execute(sql, **values)


class ClaimsNothing(SqliteDatabase):
    """Whoever delivers takes what it has read, whoever else has it."""

    def execute(self, sql: str, **values: Any) -> int:
        return 1 if sql == _OUTBOX["claim"] else super().execute(sql, **values)


class ForgetsTrainings(SqliteDatabase):
    """Pause and budget are kept over trainings that nobody remembers."""

    def row(self, sql: str, **values: Any) -> Row | None:
        return None if sql == _TRIGGER["last_training"] else super().row(sql, **values)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        return [] if sql == _TRIGGER["trainings_since"] else super().rows(sql, **values)


class ForgetsTheAnchor(SqliteDatabase):
    """The newest event is written down nowhere else."""

    def after_commit(self, name: str, action: Callable[[], None]) -> None:
        if name != "ledger anchor":
            super().after_commit(name, action)


class WritesEventsTwice(SqliteDatabase):
    """A change that is tried again tells of itself again: one event in fifty."""

    def execute(self, sql: str, **values: Any) -> int:
        done = super().execute(sql, **values)
        if sql == _REGISTRY["insert_change"] and values["seq"] % 5 == 0:
            payload = {"alias": values["alias"], "number": values["number"], "before": None, "reason": "again"}
            fact = Fact(kind="alias.changed", subject=f"model:{values['model']}", actor="again", payload=payload)
            ledger.append(self, fact, datetime.fromisoformat(values["at"]))
        return done


class LogsLater(MortalLog):
    """Answers are logged with the answers of the next turn."""

    _kept: tuple[LogRow, ...] = ()

    def append(self, rows: Sequence[LogRow], now: datetime, *, left_out: int = 0) -> bool:
        before, self._kept = self._kept, tuple(rows)
        return super().append(before, now, left_out=left_out)


def counts_repeated_labels(tx: Transaction, labels: Sequence[Label]) -> LabelCounts:
    """Every label is new."""
    record(tx, labels)
    return LabelCounts(new=len(labels))


def corrects_by_repeating(tx: Transaction, labels: Sequence[Label]) -> LabelCounts:
    """A label that is said again counts as a correction."""
    counts = record(tx, labels)
    if counts.duplicate:
        for label in labels:
            tx.execute(
                "UPDATE labels SET revision = revision + 1 WHERE prediction_id = :id AND confirmed_at <= :at",
                id=label.prediction_id, at=label.at,
            )  # fmt: skip
    return counts


def admits_everything(state: Path, public: bytes) -> Admit:
    """Load whatever lies where the index says."""
    del public

    def admit(model: str, number: int) -> LoadedVersion:
        predictor = load(Path(read_index(state)[f"{model}/{number}"].folder))
        signature = predictor.signature
        pace = Pace(((1, 0.001),), 1)
        return LoadedVersion(model, number, predictor, RowReader(signature), signature.output == "probability", pace)

    return admit


def registers_before_the_verdict(
    ws: Workspace, request: RunRequest, made: Made, campaign: Campaign, run: str
) -> Outcome:
    """The version is there first, and the gate speaks afterwards."""
    candidate = candidate_for(ws, made, run)
    number = 1 + max(one.number for one in versions.all_versions(ws.db, ws.model))
    version = ModelVersion(
        model=ws.model, number=number, digest=candidate.digest, verdict="to come", run=run, origin=candidate.origin,
        registered_at=iso(ws.now()),
    )  # fmt: skip
    with ws.db.transaction() as tx:
        tx.execute(
            _REGISTRY["insert_version"],
            model=version.model, number=number, digest=version.digest, verdict=version.verdict, run=run,
            origin=version.origin, registered_at=version.registered_at,
        )  # fmt: skip
        payload = {"digest": version.digest, "verdict": version.verdict, "run": run, "origin": version.origin}
        fact = Fact(kind="version.registered", subject=f"version:{version}", actor=f"run:{run}", payload=payload)
        ledger.append(tx, fact, ws.now())
    return replace(put_forward(ws, request, made, campaign.datasets, run=run), version=version)


BUGS: Mapping[str, Parts] = {
    "promotion outside its transaction": Parts(database=PromotesInTwo),
    "version before its verdict": Parts(put_forward=registers_before_the_verdict),
    "label counted twice": Parts(record=counts_repeated_labels),
    "repeated label taken as a correction": Parts(record=corrects_by_repeating),
    "outbox not claimed": Parts(database=ClaimsNothing),
    "budget and pause forgotten": Parts(database=ForgetsTrainings),
    "admission skipped": Parts(admission=admits_everything),
    "anchor not written": Parts(database=ForgetsTheAnchor),
    "event written twice": Parts(database=WritesEventsTwice),
    "answer before its log": Parts(log=LogsLater),
}
