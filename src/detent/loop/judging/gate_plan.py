"""What the gate can see before anything is trained: by the last verdict of an honest candidate."""

from __future__ import annotations

from dataclasses import dataclass

from detent.errors import RefusedError
from detent.gate import store
from detent.gate.power import Seeable, power_plan
from detent.gate.spend import spend
from detent.loop.happened import MADE, first_event, verdicts_after
from detent.loop.judging.judged import Judged, find_judged
from detent.loop.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class GateForecast:
    """What the gate section can see on some rows."""

    run: str  # whose evaluation it is taken from
    rows: int  # evaluation rows of it
    planned: int  # rows that are planned for
    candidates: int  # judged on the planned rows so far
    confidence: float  # that the next candidate's bounds have, on lines without `at NN%`
    lines: tuple[Seeable, ...]


def gate_forecast(ws: Workspace, rows: int | None = None) -> GateForecast:
    """Return what each line can see on the last evaluation's rows; with `rows` on so many new ones.

    Raises:
        RefusedError: nothing was judged yet, so nobody knows how much the metrics vary.
    """
    judged = _last(ws)
    verdict = judged.verdict
    seen = _rows_of(ws, judged)
    spent = 0 if rows is not None else store.judged_on(ws.db, ws.model, verdict.data_digest)
    planned = seen if rows is None else rows
    return GateForecast(
        run=judged.run,
        rows=seen,
        planned=planned,
        candidates=spent,
        confidence=1.0 - spend(ws.project.gate_plan.alpha, spent + 1),
        lines=power_plan(ws.project.gate, verdict, rows=seen, on=planned, candidates=spent + 1),
    )


def _last(ws: Workspace) -> Judged:
    for event in reversed(list(verdicts_after(ws.db, 0))):
        if not str(event.payload.get("origin", "")).startswith("sabotage"):
            return find_judged(ws, event.payload["verdict"])
    raise RefusedError(
        what="nothing was judged yet, so nobody knows what the gate can see",
        why="how many rows it takes depends on how much a metric varies from row to row",
        fix="run the pipeline once: detent run",
    )


def _rows_of(ws: Workspace, judged: Judged) -> int:
    made = first_event(ws.db, MADE, f"run:{judged.run}")
    known = made.payload.get("evaluation_rows") if made else None
    return int(known or max((result.rows for result in judged.verdict.results), default=0) or 1)
