"""What the gate must know of the evaluation rows besides labels and scores: which of them belong together."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.errors import Place, ProjectError, did_you_mean
from detent.gate import store
from detent.gate.naive import last_season
from detent.loop.runs.candidate import Candidate
from detent.loop.workspace import Workspace


def rank_of(ws: Workspace, candidate: Candidate) -> int:
    """Return the candidate's place among those judged on its rows; a drill's known-bad model takes none."""
    if candidate.origin.startswith("sabotage:"):
        return 1
    with ws.db.transaction() as tx:
        return store.rank(tx, ws.model, candidate.data_digest, candidate.digest)


def groups_of(ws: Workspace, rows: pl.DataFrame) -> NDArray | None:
    """Return the group of each row by `gate.cluster`, as whole numbers; None: rows are independent.

    Raises:
        ProjectError: the evaluation rows have no such column.
    """
    return _numbers(rows, ws.project.gate_plan.cluster, "gate.cluster")


def lists_of(ws: Workspace, rows: pl.DataFrame) -> NDArray | None:
    """Return the list of each row by `target.group`, as whole numbers; None: rows are in no lists.

    Raises:
        ProjectError: the evaluation rows have no such column.
    """
    return _numbers(rows, ws.project.target.group, "target.group")


def naive_of(ws: Workspace, candidate: Candidate) -> NDArray[np.float64] | None:
    """Return the label one `target.season` before each evaluation row; None: no season is declared.

    Raises:
        ProjectError: the evaluation rows have no column `target.series`.
    """
    target = ws.project.target
    if target.season is None:
        return None
    rows, time = candidate.evaluation, str(ws.project.source(ws.project.features.rows).time)
    if target.series is not None:
        _require(rows, target.series, "target.series")
    return last_season(
        rows, [candidate.train, rows], series=target.series, time=time, label=target.column, season=target.season
    )


def _numbers(rows: pl.DataFrame, name: str | None, field: str) -> NDArray | None:
    if name is None:
        return None
    _require(rows, name, field)
    return rows[name].cast(pl.String).rank("dense").fill_null(0).to_numpy()


def _require(rows: pl.DataFrame, name: str, field: str) -> None:
    if name not in rows.columns:
        raise ProjectError(
            what=f"there is no column `{name}` among the evaluation rows",
            why=f"`{field}` names it, and the pipeline's output `evaluation` does not have it",
            fix=did_you_mean(name, tuple(rows.columns)),
            where=Place(file="detent.yaml", field=field),
        )
