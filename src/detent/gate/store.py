"""Keeps verdicts: written once, never changed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from detent.errors import DetentError
from detent.gate.render import to_json
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Verdict
from detent.records.event import Fact
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.gate")
_EVENTS = {PASS: "verdict.passed", REJECT: "verdict.rejected", INCONCLUSIVE: "verdict.inconclusive"}


def save(tx: Transaction, verdict: Verdict, model: str, now: datetime) -> bool:
    """Store a verdict about a model; return False when it was stored before."""
    return bool(
        tx.execute(
            _SQL["save"],
            id=verdict.id,
            model=model,
            decision=verdict.decision,
            model_digest=verdict.model_digest,
            judged_at=verdict.judged_at,
            saved_at=iso(now),
            verdict=to_json(verdict),
        )
    )


def load(db: Reader, id: str) -> Verdict:
    """Return a verdict.

    Raises:
        DetentError: there is none with this id.
    """
    row = db.row(_SQL["load"], id=id)
    if row is None:
        raise DetentError(
            what=f"there is no verdict {id}",
            why="a verdict is found by its whole id",
            fix="see `detent status` for the versions and their verdicts",
        )
    return msgspec.json.decode(row["verdict"], type=Verdict)


def find(db: Reader, model: str, beginning: str) -> list[Verdict]:
    """Return the verdicts about a model whose ids begin so, newest first; only letters of an id find any."""
    if not beginning or set(beginning) - set("0123456789abcdef"):
        return []
    rows = db.rows(_SQL["find"], model=model, beginning=f"{beginning}%")
    return [msgspec.json.decode(row["verdict"], type=Verdict) for row in rows]


def history(db: Reader, model: str) -> list[Verdict]:
    """Return every verdict about a model, newest first."""
    return [msgspec.json.decode(row["verdict"], type=Verdict) for row in db.rows(_SQL["history"], model=model)]


def rank(tx: Transaction, model: str, data_digest: str, model_digest: str) -> int:
    """Return the place of a bundle among those ever put before the gate on these rows, from 1; it is taken at once.

    The same bundle keeps its place: judging it again gives the same verdict, and spends nothing. The place is taken
    before anything is judged, so that two judgements at once, or one that is killed, never share a place.
    """
    names = {"model": model, "data_digest": data_digest, "model_digest": model_digest}
    row = tx.row(_SQL["rank"], **names)
    if row is not None:
        return int(row["rank"])
    place = judged_on(tx, model, data_digest) + 1
    tx.execute(_SQL["take_rank"], **names, rank=place)
    return place


def judged_on(db: Reader, model: str, data_digest: str) -> int:
    """Return how many bundles were put before the gate on these rows so far.

    Rows are the same when their digest is: two holdouts that overlap in part count as different ones.
    """
    row = db.row(_SQL["judged_on"], model=model, data_digest=data_digest)
    return int(row["bundles"]) if row else 0


def fact(verdict: Verdict, *, model: str, actor: str) -> Fact:
    """Return the ledger's entry about a verdict; what was measured on this machine is kept apart."""
    measured = {result.check: result.reason for result in verdict.results if result.measured}
    return Fact(
        kind=_EVENTS[verdict.decision],
        subject=f"model:{model}",
        actor=actor,
        payload={
            "verdict": verdict.id,
            "decision": verdict.decision,
            "model_digest": verdict.model_digest,
            "data_digest": verdict.data_digest,
            "policy_digest": verdict.policy_digest,
            "champion_digest": verdict.champion_digest,
            "candidates": verdict.candidates,
            "checks": {result.check: result.decision for result in verdict.results},
            **({"waivers": [waiver.id for waiver in verdict.waivers]} if verdict.waivers else {}),
        },
        observed={"reason": verdict.reason, **measured},
    )
