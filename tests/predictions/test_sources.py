from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from detent.predictions.sources import file, sql
from detent.predictions.sources.protocol import LabelError
from detent.predictions.sources.tidy import tidy
from detent.records.project import LabelSource

NOW = datetime(2025, 3, 1, tzinfo=UTC)
KNOWN = datetime(2025, 2, 1, 10, tzinfo=UTC)


def source(name: str = "labels.csv", **changes: object) -> LabelSource:
    values = {"source": name, "field": "id", "name": "order", "value": "late", "at": "told"}
    return LabelSource(**{**values, **changes})  # type: ignore[arg-type]


def rows(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"order": ["a"], "late": [1], "told": [KNOWN], **columns})


@pytest.mark.parametrize(
    "told",
    [
        "2025-02-01T10:00:00Z", "2025-02-01T11:00:00+01:00", "2025-02-01 10:00:00", "2025-02-01T05:00:00-0500",
        "2025-02-01T10:00", datetime(2025, 2, 1, 10), KNOWN,
    ],
)  # fmt: skip
def test_one_moment_is_one_moment_however_it_is_written(told: object) -> None:
    found = tidy(rows(told=[told]), source(), now=NOW, binary=True)
    assert found.rows["at"].to_list() == [KNOWN]


def test_a_date_is_its_midnight_in_utc() -> None:
    for told in ("2025-02-01", date(2025, 2, 1)):
        assert tidy(rows(told=[told]), source(), now=NOW, binary=True).rows["at"].to_list() == [
            datetime(2025, 2, 1, tzinfo=UTC)
        ]


def test_what_is_no_label_is_left_out_and_counted() -> None:
    frame = pl.DataFrame(
        {"order": ["a", "b", "c", None, "e", "", "g"], "late": [1.0, None, 2.0, 1.0, float("nan"), 0.0, 0.0],
         "told": ["2025-02-01", "2025-02-01", "2025-02-01", "2025-02-01", "2025-02-01", "2025-02-01", "soon"]}
    )  # fmt: skip
    found = tidy(frame, source(), now=NOW, binary=True)
    assert found.rows["name"].to_list() == ["a"]
    assert dict(found.left_out) == {
        "neither 0 nor 1": 1,
        "no finite number": 1,
        "no name": 2,
        "no time that can be read": 1,
    }
    assert found.waiting == 1
    assert tidy(frame, source(), now=NOW, binary=False).rows["name"].to_list() == ["a", "c"]


def test_a_truth_of_the_future_is_not_known_yet() -> None:
    late = tidy(rows(told=[NOW + timedelta(seconds=1)]), source(), now=NOW, binary=True)
    assert (late.rows.height, late.waiting) == (0, 1)
    assert tidy(rows(told=[NOW]), source(), now=NOW, binary=True).rows.height == 1


def test_without_a_time_everything_is_known_now() -> None:
    assert tidy(rows().drop("told"), source(at=None), now=NOW, binary=True).rows["at"].to_list() == [NOW]


def test_true_and_false_are_labels_and_numbers_are_names() -> None:
    frame = pl.DataFrame({"order": [17], "late": [True], "told": [KNOWN]})
    assert tidy(frame, source(), now=NOW, binary=True).rows.row(0) == ("17", 1.0, KNOWN)


def test_later_times_come_last_and_repeats_once() -> None:
    frame = pl.DataFrame(
        {"order": ["a", "a", "a"], "late": [0, 1, 0], "told": [KNOWN, KNOWN - timedelta(hours=1), KNOWN]}
    )
    assert tidy(frame, source(), now=NOW, binary=True).rows["value"].to_list() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (rows().drop("late"), "no column `late`"),
        (rows(late=["yes"]), "`late` holds String"),
        (rows(told=[17]), "`told` holds Int64"),
    ],
)
def test_a_table_without_labels_is_refused(frame: pl.DataFrame, words: str) -> None:
    with pytest.raises(LabelError, match=words):
        tidy(frame, source(), now=NOW, binary=True)


def test_an_empty_table_has_no_labels() -> None:
    found = tidy(rows().clear(), source(), now=NOW, binary=True)
    assert (found.rows.height, found.left_out, found.waiting) == (0, (), 0)


def test_a_file_with_nothing_but_its_heads_has_no_labels() -> None:
    heads = pl.DataFrame({"order": [], "late": []}, schema={"order": pl.String, "late": pl.String})
    assert tidy(heads, source(at=None), now=NOW, binary=True).rows.height == 0


def test_files_are_read_with_names_as_text_and_versioned_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("order,late,told,note\n0017,1,2025-02-01,x\n", encoding="utf-8")
    found = file.fetch(source(), tmp_path, None)
    assert found.rows.rows() == [("0017", 1, "2025-02-01")]
    rows().write_parquet(tmp_path / "labels.parquet")
    first = file.fetch(source("labels.parquet"), tmp_path, None)
    assert first.version == file.fetch(source("labels.parquet"), tmp_path, NOW).version
    rows(late=[0]).write_parquet(tmp_path / "labels.parquet")
    assert file.fetch(source("labels.parquet"), tmp_path, None).version != first.version


def test_lines_of_json_are_read_like_any_table(tmp_path: Path) -> None:
    text = '{"order": 17, "late": 1, "told": "2025-02-01", "more": {"a": [1]}}\n{"order": "0017", "late": null}\n'
    for name in ("labels.jsonl", "labels.ndjson"):
        (tmp_path / name).write_text(text)
        rows = file.fetch(source(name), tmp_path, None).rows
        assert rows.columns == ["order", "late", "told"]
        assert rows["order"].to_list() == ["17", "0017"]
        assert rows["late"].to_list() == [1, None]
    (tmp_path / "labels.jsonl").write_text('{"order": 1}\n')
    with pytest.raises(LabelError, match="can't be read") as caught:
        file.fetch(source("labels.jsonl"), tmp_path, None)
    assert '"late"' in caught.value.why


def test_a_suffix_of_no_kind_is_named_with_those_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("order,late,told\n")
    with pytest.raises(LabelError) as caught:
        file.fetch(source("labels.txt"), tmp_path, None)
    assert caught.value.why == "its suffix `.txt` is none of .parquet, .csv, .jsonl, .ndjson"


@pytest.mark.parametrize("content", [None, b"", b"order,late\n1,2\n", b"\xff\xfe\x00"])
def test_a_file_that_is_no_table_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(LabelError, match=r"labels of `labels\.csv` can't be read"):
        file.fetch(source(), tmp_path, None)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("CREATE TABLE truth (order_id TEXT, late INTEGER, told TEXT)")
        db.executemany(
            "INSERT INTO truth VALUES (?, ?, ?)", [("a", 1, "2025-02-01 10:00:00"), ("b", 0, "2025-02-03 10:00:00")]
        )
    monkeypatch.setenv("SHOP_DB", f"sqlite:///{tmp_path}/shop.db")
    return tmp_path


QUERY = 'sql:SELECT order_id AS "order", late, told FROM truth'


def test_a_query_gives_labels_and_may_ask_for_what_is_new(shop: Path) -> None:
    whole = source(QUERY, connection="SHOP_DB")
    assert tidy(sql.fetch(whole, shop, None).rows, whole, now=NOW, binary=True).rows["at"].to_list() == [
        KNOWN, KNOWN + timedelta(days=2),
    ]  # fmt: skip
    new = source(f"{QUERY} WHERE told > :since", connection="SHOP_DB")
    assert sql.fetch(new, shop, None).rows.height == 2
    assert sql.fetch(new, shop, KNOWN + timedelta(days=1)).rows["order"].to_list() == ["b"]


def test_a_query_that_fails_tells_why_without_the_password(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabelError, match="no such table"):
        sql.fetch(source("sql:SELECT 1 FROM nowhere", connection="SHOP_DB"), shop, None)
    with pytest.raises(LabelError, match="NO_DB is not set"):
        sql.fetch(source(QUERY, connection="NO_DB"), shop, None)
    monkeypatch.setenv("SHOP_DB", "sqlite:///nowhere/at/all?password=hunter2")
    with pytest.raises(LabelError) as caught:
        sql.fetch(source(QUERY, connection="SHOP_DB"), shop, None)
    assert "hunter2" not in str(caught.value)
