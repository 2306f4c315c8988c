"""What Evidently is given: which rows, which columns, and what is said of those that it does not get."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from detent.cli import monitor_report
from detent.errors import DetentError, MissingExtraError, RefusedError
from detent.gate import store as verdicts
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.report import evidently_rows
from detent.loop.report.evidently_rows import compared
from detent.loop.runs.reference import RESERVOIR_NAME
from detent.loop.workspace import Workspace, open_workspace
from detent.records.event import Fact
from detent.records.log import DROP, HASH, OFF, LogPlan
from detent.store.blobs import open_blobs
from detent.store.clock import iso

from .live_rows import first_scores, rows, write

HOUR = timedelta(hours=1)
INPUTS = ["channel", "category", "price", "discount", "items", "hour", "weekday"]


def served_rows(ws: Workspace, frame: pl.DataFrame, *, version: int = 1, seed: int = 0, labelled: int = 0) -> None:
    labels = np.arange(frame.height) % 2
    some = frame.head(labelled)
    if labelled:
        write(ws, some, first_scores(ws, some), version=version, age=2 * HOUR, labels=labels[:labelled], seed=seed)
    rest = frame.slice(labelled)
    write(ws, rest, first_scores(ws, rest), version=version, age=HOUR, seed=seed + 1)


def logging(ws: Workspace, plan: LogPlan) -> Workspace:
    return replace(ws, project=replace(ws.project, serving=replace(ws.project.serving, log=plan)))


def told(found) -> dict[str, str]:
    return dict(found.notes)


def test_the_window_is_compared_with_the_rows_the_champion_was_judged_on(served: Workspace) -> None:
    frame = rows(60)
    served_rows(served, frame, labelled=20)
    found = compared(served)
    label = served.project.target.column
    assert found.reference.columns == found.current.columns == [*INPUTS, "prediction", label]
    kinds = dict.fromkeys(INPUTS, pl.Float64()) | {"channel": pl.String(), "category": pl.String()}
    assert dict(found.current.schema) == {**kinds, "prediction": pl.Float64(), label: pl.String()}
    assert found.reference.schema == found.current.schema
    assert sorted(found.current["price"]) == sorted(frame["price"])
    assert sorted(found.current["prediction"]) == pytest.approx(sorted(first_scores(served, frame)))
    assert found.current[label].value_counts().sort(label).to_dict(as_series=False)[label] == [None, "0", "1"]
    assert set(found.reference[label].unique()) == {"0", "1"}
    version = champion_version(served)
    assert version is not None
    evaluation = pl.read_parquet(served.blobs.get(verdicts.load(served.db, version.verdict).data_digest))
    assert found.reference["price"].to_list() == evaluation["price"].to_list()
    assert told(found)["reference"].startswith(f"{evaluation.height:,} rows that version 1 was judged on")
    assert told(found)["current"].startswith("60 rows that version 1 answered, ")
    assert told(found)["labels"] == f"20 of 60 rows have one: `{label}`"
    assert "left out" not in told(found)


def test_without_labels_only_inputs_and_answers_are_compared(served: Workspace) -> None:
    served_rows(served, rows(30))
    found = compared(served)
    assert found.reference.columns == found.current.columns == [*INPUTS, "prediction"]
    assert told(found)["labels"] == f"none of these rows has one yet, so `{served.project.target.column}` is left out"


def test_what_the_log_hashes_or_drops_is_on_neither_side_and_that_is_said(served: Workspace) -> None:
    served_rows(served, rows(30))
    ws = logging(served, LogPlan(fields=(("category", HASH), ("discount", DROP), ("price", "keep"))))
    found = compared(ws)
    assert found.reference.columns == found.current.columns
    assert not {"category", "discount"} & set(found.current.columns)
    assert "price" in found.current.columns
    assert told(found)["left out"] == "category: the log holds only its hash; discount: the log drops it"


def test_a_column_without_a_value_and_values_that_are_no_numbers_do_not_reach_it(served: Workspace) -> None:
    frame = rows(30).with_columns(
        discount=pl.lit(None, dtype=pl.Float64),
        price=pl.when(pl.col("weekday") > 3).then(float("inf")).otherwise(pl.col("price")),
    )
    scores = np.full(30, 0.5)
    scores[0] = np.nan
    write(served, frame, scores, version=1, age=HOUR)
    found = compared(served)
    assert told(found)["left out"] == "discount: no value in the logged rows"
    assert "discount" not in found.reference.columns
    for side in (found.reference, found.current):
        for name in side.select(pl.selectors.float()).columns:
            assert side[name].drop_nulls().is_finite().all()
    assert found.current["prediction"].null_count() == 1


def test_many_rows_are_drawn_by_chance_and_always_the_same_ones(
    served: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidently_rows, "ROWS", 100)
    served_rows(served, rows(400))
    found, again = compared(served), compared(served)
    assert 50 < found.current.height < 150
    assert found.reference.height == 100
    assert found.current.equals(again.current)
    assert found.reference.equals(again.reference)
    assert told(found)["current"].startswith(f"{found.current.height} of 400 rows that version 1 answered")
    assert told(found)["reference"].startswith("100 of ")


def test_it_is_the_newest_window_that_was_looked_at_unless_more_is_asked_for(served: Workspace) -> None:
    assert served.project.monitor.window == timedelta(days=7)
    served_rows(served, rows(30))
    write(served, rows(10), np.full(10, 0.5), version=1, age=timedelta(days=10), seed=7)
    assert compared(served).current.height == 30
    assert compared(served, served.now() - timedelta(days=11)).current.height == 40
    end = iso(served.now() - timedelta(days=5))
    subject = f"traffic:{served.project.serving.endpoint}"
    served.record(Fact(kind="window.watched", subject=subject, actor="test", payload={"end": end}))
    assert compared(served).current.height == 10


def test_a_window_without_the_champions_rows_is_refused_and_says_whose_they_are(served: Workspace) -> None:
    with pytest.raises(RefusedError, match="version 1 answered nothing") as nobody:
        compared(served)
    assert nobody.value.why == "the log holds no answer of this window"
    assert "--since" in nobody.value.fix
    with pytest.raises(RefusedError) as off:
        compared(logging(served, LogPlan(mode=OFF)))
    assert "`serving.log.mode` is off" in off.value.why
    served_rows(served, rows(12), version=2)
    with pytest.raises(RefusedError) as others:
        compared(served)
    assert others.value.why == "the 12 answers of this window are by version 2"


def test_when_the_judged_rows_are_gone_the_kept_training_rows_stand_in(served: Workspace, tmp_path: Path) -> None:
    served_rows(served, rows(30), labelled=10)
    ws = replace(served, blobs=open_blobs(str(tmp_path / "empty")))
    version = champion_version(ws)
    assert version is not None
    kept = bundle_folder(ws, version) / RESERVOIR_NAME
    place = pl.int_range(pl.len())
    price = pl.when(place == 0).then(float("inf")).when(place == 1).then(float("nan")).otherwise(pl.col("price"))
    pl.read_parquet(kept).with_columns(price=price).write_parquet(kept)
    found = compared(ws)
    assert found.reference.columns == found.current.columns == INPUTS
    assert found.reference["price"].to_list() == [None, None, *pl.read_parquet(kept)["price"].to_list()[2:]]
    assert "was fitted on; those it was judged on are gone" in told(found)["reference"]
    kept.unlink()
    with pytest.raises(RefusedError, match="no rows that version 1 could be compared with"):
        compared(ws)


def test_a_project_without_champion_is_told_so(project: Path) -> None:
    with pytest.raises(RefusedError, match="nothing to compare with"):
        compared(open_workspace(project))


def test_the_command_says_how_to_get_evidently(served: Workspace, tmp_path: Path) -> None:
    served_rows(served, rows(30))
    page = tmp_path / "drift.html"
    run = CliRunner().invoke(monitor_report.report, ["--evidently", str(page)], obj=served.folder)
    assert isinstance(run.exception, MissingExtraError)
    assert "--install-evidently" in run.exception.fix
    assert not page.exists()
    both = CliRunner().invoke(monitor_report.report, ["--evidently", str(page), "--json"], obj=served.folder)
    assert both.exit_code == 2
    assert not isinstance(both.exception, DetentError)
    assert "leave --html and --json out" in both.output
