"""Contracts on the way in: what is kept, what is compared, what stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from detent.data import store as snapshots
from detent.data.expect import store as checks
from detent.data.expect.render import table
from detent.errors import DataError
from detent.loop.runs.datasets import Datasets, ingest_all
from detent.loop.workspace import Workspace, open_workspace
from detent.store import ledger
from detent.store.clock import parse

LINES = """[
    "null_rate(price) <= 5% -> warn", "rows >= 0.5 * last", "psi(price) <= 0.2 vs last",
    "exists(customer in orders.customer)", "freshness(placed_at) <= 40d",
  ]"""


def promise(project: Path, lines: str = LINES) -> None:
    path = project / "detent.yaml"
    text = path.read_text()
    assert "contracts.py:Orders}" in text
    path.write_text(text.replace("contracts.py:Orders}", f"contracts.py:Orders, expect: {lines}}}"))


def take(project: Path, change=None, *, as_of: datetime | None = None) -> tuple[Workspace, Datasets]:
    path = project / "data" / "orders.parquet"
    rows = pl.read_parquet(path)
    if change is not None:
        change(rows).write_parquet(path)
    ws = open_workspace(project, actor="test")
    newest = rows["placed_at"].max()
    assert isinstance(newest, datetime)
    return ws, ingest_all(ws, as_of or newest + timedelta(days=30))


def test_what_each_check_came_to_is_kept_in_the_table_and_in_the_ledger(project: Path) -> None:
    promise(project)
    ws, data = take(project)
    check = data.checks["orders"]
    assert (check.outcome, check.last, check.snapshot) == ("pass", None, data.snapshots["orders"].id)
    assert len(check.results) == 6  # the contract, and five lines
    assert checks.history(ws.db, "orders") == [check]
    facts = [event.payload for event in ledger.read(ws.db, kind="data.checked")]
    assert facts == [
        {"orders": {"snapshot": check.snapshot, "last": None, "outcome": "pass", "promises": 6, "broken": []}}
    ]  # fmt: skip


def test_broken_data_stops_and_its_failing_rows_are_kept(project: Path) -> None:
    promise(project)
    _, good = take(project)
    with pytest.raises(DataError, match="breaks its contract") as caught:
        take(project, lambda rows: rows.with_columns(price=pl.when(pl.col("price") > 50).then(-1.0).otherwise("price")))
    assert "psi(price)" in caught.value.why
    assert "row " in caught.value.why
    ws = open_workspace(project, actor="test")
    check = checks.history(ws.db, "orders")[0]
    assert (check.outcome, check.last) == ("fail", good.snapshots["orders"].id)
    broken = next(result for result in check.results if result.kept)
    rows = checks.read_failing(broken, ws.blobs)
    assert rows is not None
    assert rows["price"].to_list() == [-1.0] * min(broken.failing, 1_000)
    assert snapshots.load(ws.db, check.snapshot).rows > 0  # the refused snapshot can be looked at
    kinds = [event.kind for event in ledger.read(ws.db)]
    assert kinds.count("data.ingested") == 1
    assert kinds.count("data.checked") == 2
    page = Console(width=120, record=True, file=(ws.state / "out").open("w"))
    page.print(table(check, {broken.kept: rows}, key="order_id"))
    text = page.export_text()
    assert f"{broken.failing:,}" in text
    assert "breaks a promise" in text
    assert str(rows["order_id"][0]) in text


def test_the_last_good_snapshot_is_never_one_that_failed_nor_this_one(project: Path) -> None:
    promise(project)
    _, first = take(project)
    half = first.frames["orders"].height * 3 // 10
    whole = pl.read_parquet(project / "data" / "orders.parquet")
    for _ in range(2):  # a second look at the same bad data is no more lenient than the first
        with pytest.raises(DataError, match="contract") as caught:
            take(project, lambda rows: rows.head(half), as_of=first.as_of)
        assert "rows >= 0.5 * last" in caught.value.why
    _, again = take(project, lambda _: whole, as_of=first.as_of)
    assert again.checks["orders"].last is None  # it is the first one itself
    _, more = take(project, lambda rows: rows.head(half * 3), as_of=first.as_of)
    assert more.checks["orders"].last == first.snapshots["orders"].id


def test_a_promise_that_only_warns_lets_the_data_in_and_shows_its_rows(project: Path) -> None:
    promise(project, '["range(price) in ..10 -> warn"]')
    _, data = take(project)
    (result,) = (one for one in data.checks["orders"].results if one.outcome == "warn")
    assert data.checks["orders"].outcome == "warn"
    assert data.failing[result.kept].height == min(result.failing, 1_000)


def test_a_lost_last_snapshot_is_no_success(project: Path) -> None:
    promise(project)
    ws, first = take(project)
    for part in first.snapshots["orders"].parts:
        ws.blobs.delete(part.digest)
    with pytest.raises(DataError, match="can't be read, so nothing can be compared"):
        take(project, lambda rows: rows.head(rows.height - 1))


def test_the_moment_from_which_the_same_sources_give_something_else_is_known(project: Path) -> None:
    promise(project, '["freshness(placed_at) <= 40d"]')
    _, data = take(project)
    newest = data.frames["orders"]["placed_at"].max()
    assert isinstance(newest, datetime)
    later = pl.read_parquet(project / "data" / "orders.parquet")["returned_known_at"].drop_nulls()
    assert data.as_of is not None
    ends = [moment for moment in later.to_list() if moment > data.as_of] + [newest + timedelta(days=40)]
    assert data.until == min(ends)
    assert data.stamps["orders"].kind in ("file", "young")
    with pytest.raises(DataError, match="contract") as caught:
        take(project, as_of=newest + timedelta(days=41))
    assert "freshness" in caught.value.why


def test_a_suite_of_great_expectations_is_part_of_the_contract(project: Path) -> None:
    (project / "suite.json").write_text(
        '{"expectations": [{"type": "expect_column_values_to_be_between",'
        ' "kwargs": {"column": "price", "max_value": 1}}]}'
    )
    promise(project, "[{gx: suite.json, severity: warn}]")
    _, data = take(project)
    result = data.checks["orders"].results[-1]
    assert (result.outcome, result.expectation) == (
        "warn", 'expect_column_values_to_be_between(column="price", max_value=1)',
    )  # fmt: skip


def test_a_source_outside_that_does_not_answer_is_stood_in_for_and_said_so(project: Path) -> None:
    (project / "probe.py").write_text(
        "from pathlib import Path\n\ndef state():\n    return Path(__file__).with_name('up').read_text()\n"
    )
    (project / "up").write_text("1")
    path = project / "detent.yaml"
    place = (project / "data" / "orders.parquet").as_uri()
    path.write_text(
        path.read_text().replace(
            "source: data/orders.parquet", f'source: "{place}", changes: probe probe.py:state or last'
        )
    )
    _, first = take(project)
    (project / "up").unlink()
    ws, second = take(project)
    assert "FileNotFoundError" in second.stale["orders"]
    assert second.snapshots["orders"].id == first.snapshots["orders"].id
    events = [event.observed for event in ledger.read(ws.db, kind="data.ingested")]
    assert "stale" in events[1]["orders"]
    assert second.until is not None
    assert second.until <= ws.now()  # it is to be asked again at once


def test_a_time_to_live_ends_what_is_known(project: Path) -> None:
    path = project / "detent.yaml"
    place = (project / "data" / "orders.parquet").as_uri()
    path.write_text(path.read_text().replace("source: data/orders.parquet", f'source: "{place}", changes: ttl 1h'))
    _, data = take(project, as_of=datetime(2090, 1, 1, tzinfo=UTC))
    assert data.until == parse(data.stamps["orders"].until)
    again = take(project, lambda rows: rows.head(100), as_of=data.as_of)[1]
    assert again.snapshots == data.snapshots
    assert again.until == data.until
