"""Read the gate section against the rows that were judged last: will every line have what it needs?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from detent.errors import DetentError, did_you_mean
from detent.gate.meaning import meaning, takes
from detent.gate.opponent import oriented
from detent.gate.wording import count, percent
from detent.loop.happened import verdicts_after
from detent.loop.judging.judged import Judged, find_judged
from detent.loop.workspace import Workspace
from detent.records.check import Check
from detent.statistics.metrics import named


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """One line of the gate section, read aloud."""

    check: str
    meaning: str
    takes: str
    seconds: float | None  # that it took the last time; None: it was never run


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The gate section, and what is wrong with it."""

    lines: tuple[Meant, ...]
    section: tuple[str, ...]  # what holds for all lines, in sentences
    faults: tuple[str, ...]


def check_gate(ws: Workspace) -> Checked:
    """Return what the gate section means; faults name the line of detent.yaml."""
    last = _last(ws)
    known = {result.check: result.seconds for result in last.verdict.results} if last else {}
    rows = _rows(ws, last)
    return Checked(
        lines=tuple(
            Meant(check=check.text, meaning=meaning(check), takes=takes(check), seconds=known.get(check.text))
            for check in ws.project.gate
        ),
        section=tuple(_section(ws, rows, last)),
        faults=tuple(_faults(ws, rows)),
    )


def _section(ws: Workspace, rows: pl.DataFrame | None, last: Judged | None) -> Iterator[str]:
    plan = ws.project.gate_plan
    yield "always on: baseline, leakage, overlap, provenance; growth of a model that is a program"
    yield f"alpha {percent(plan.alpha)}: the chance of a wrong pass, shared by all candidates on the same rows"
    if plan.cluster:
        yield f"rows of one `{plan.cluster}` share their fate: whole groups are resampled"
    for column, levels in plan.expect:
        yield f"`{column}` must have rows of {', '.join(levels)}"
    if rows is None:
        yield "columns were not looked at: nothing was judged yet (detent run)"
    elif last is not None:
        yield f"columns are those of the {count(rows.height)} that {last.run} was judged on"


def _faults(ws: Workspace, rows: pl.DataFrame | None) -> Iterator[str]:
    for check in ws.project.gate:
        place = f"detent.yaml:{check.line}: "
        if check.by is not None and rows is not None and check.by not in rows.columns:
            yield place + _no_column(check.by, rows, f"the check `{check.text}`")
        error = _backwards(check)
        if error is not None:
            yield f"{place}{error.what}: {error.why}; {error.fix}"
    if rows is None:
        return
    plan = ws.project.gate_plan
    named = [("gate.cluster", plan.cluster)] if plan.cluster else []
    for field, column in [*named, *(("gate.expect", column) for column, _ in plan.expect)]:
        if column not in rows.columns:
            yield "detent.yaml: " + _no_column(column, rows, f"`{field}`")
    for column, levels in plan.expect:
        if column in rows.columns:
            present = set(rows[column].cast(pl.String).unique().to_list())
            gone = [level for level in levels if level not in present]
            if gone:
                yield f"detent.yaml: `gate.expect` names {', '.join(gone)}, of which `{column}` has no row"


def _no_column(column: str, rows: pl.DataFrame, who: str) -> str:
    return f"{who} names the column `{column}`, which the evaluation rows lack; {did_you_mean(column, rows.columns)}"


def _backwards(check: Check) -> DetentError | None:
    """Return what is wrong with a comparison that lets every worse model pass."""
    metric = named(check.metric)
    if metric is None or check.kind not in ("versus", "each", "worst"):
        return None
    try:
        oriented(check, metric)
    except DetentError as error:
        return error
    return None


def _last(ws: Workspace) -> Judged | None:
    told = list(verdicts_after(ws.db, 0))
    return find_judged(ws, told[-1].payload["verdict"]) if told else None


def _rows(ws: Workspace, last: Judged | None) -> pl.DataFrame | None:
    if last is None:
        return None
    try:
        return pl.read_parquet(io.BytesIO(ws.blobs.get(last.verdict.data_digest)))
    except (DetentError, OSError, pl.exceptions.PolarsError):  # collected, or not on this machine
        return None
