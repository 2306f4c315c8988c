"""What the gate is told about rows that belong together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.gate import store
from detent.loop.judging.together import groups_of, lists_of, naive_of, rank_of
from detent.loop.runs.candidate import Candidate
from detent.loop.workspace import Workspace, open_workspace
from detent.records.signature import Signature

START = datetime(2025, 1, 1, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "placed_at": [START + timedelta(days=day) for day in (0, 1, 7, 8)],
        "customer": ["ann", None, "bob", "ann"],
        "returned": [1, 0, 0, 1],
    }
)


def _candidate(digest: str, origin: str = "pipeline") -> Candidate:
    return Candidate(
        run="run-0001", origin=origin, digest=digest, folder=Path(), signature=Signature(inputs=(), output="number"),
        train=ROWS.head(0), evaluation=ROWS, data_digest="rows", allowed_inputs=frozenset(),
    )  # fmt: skip


def _workspace(project: Path, *changes: tuple[str, str]) -> Workspace:
    text = (project / "detent.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (project / "detent.yaml").write_text(text)
    return open_workspace(project, actor="test")


def test_honest_candidates_take_places_and_a_drill_takes_none(project: Path) -> None:
    ws = _workspace(project)
    made = [("a", "pipeline"), ("b", "sabotage:leak"), ("c", "import"), ("a", "pipeline"), ("d", "sabotage:nan")]
    assert [rank_of(ws, _candidate(digest, origin)) for digest, origin in made] == [1, 1, 2, 1, 1]
    assert store.judged_on(ws.db, ws.model, "rows") == 2


def test_nothing_belongs_together_where_nothing_is_declared(project: Path) -> None:
    ws = _workspace(project)
    assert groups_of(ws, ROWS) is None
    assert lists_of(ws, ROWS) is None
    assert naive_of(ws, _candidate("a")) is None


def test_rows_of_a_list_have_its_number_and_rows_without_one_share_theirs(project: Path) -> None:
    ws = _workspace(project, ("column: returned,", "column: returned, group: customer, season: 7d,"))
    found = lists_of(ws, ROWS)
    assert found is not None
    assert found.tolist() == [1, 0, 2, 1]
    np.testing.assert_array_equal(naive_of(ws, _candidate("a")), [np.nan, np.nan, 1.0, 0.0])


def test_a_column_that_the_rows_lack_is_a_mistake_of_the_project(project: Path) -> None:
    ws = _workspace(project, ("column: returned,", "column: returned, group: custmer, series: shop, season: 7d,"))
    with pytest.raises(ProjectError, match="no column `custmer`") as caught:
        lists_of(ws, ROWS)
    assert "customer" in caught.value.fix
    with pytest.raises(ProjectError, match="no column `shop`"):
        naive_of(ws, _candidate("a"))
