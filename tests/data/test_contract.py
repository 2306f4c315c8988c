from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from pandera.config import config_context

from detent.data import check_contract
from detent.data.contract import judge_contract
from detent.errors import DataError, ProjectError
from detent.records.project import Source

SCHEMAS = """
import pandera.polars as pa
import polars as pl


class Flights(pa.DataFrameModel):
    id: int = pa.Field(ge=0, unique=True)
    origin: str = pa.Field(isin=["JFK", "LGA"])

    @pa.check("id")
    def runs(cls, data):
        return data.lazyframe.select(pl.col("id") < 100)


class Broken(Flights):
    @pa.check("id")
    def crashes(cls, data):
        raise RuntimeError("boom")


OBJECT = pa.DataFrameSchema({"id": pa.Column(int), "origin": pa.Column(str, pa.Check.isin(["JFK", "LGA"]))})
COERCES = pa.DataFrameSchema({"id": pa.Column(str, coerce=True)})
DROPS = pa.DataFrameSchema({"id": pa.Column(int, pa.Check.ge(0))}, drop_invalid_rows=True)
GENTLE = pa.DataFrameSchema({"id": pa.Column(int, pa.Check.lt(3, raise_warning=True))})
TEXT = "no schema"
"""
SPEC = "contracts_for_test.py:Flights"
GOOD = pl.DataFrame({"id": [1, 2, 3], "origin": ["JFK", "LGA", "JFK"]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contracts_for_test.py").write_text(SCHEMAS)
    return tmp_path


def check(frame: pl.DataFrame, name: str, folder: Path, flights: Source) -> None:
    check_contract(frame, f"contracts_for_test.py:{name}", folder=folder, source=flights)


@pytest.mark.parametrize("name", ["Flights", "OBJECT"])
def test_good_rows_pass_a_model_and_a_schema_object(folder: Path, flights: Source, name: str) -> None:
    check(GOOD, name, folder, flights)
    with pytest.raises(DataError):
        check(GOOD.with_columns(origin=pl.lit("EWR")), name, folder, flights)


def test_every_failed_check_is_counted_and_the_first_rows_are_shown(folder: Path, flights: Source) -> None:
    bad = pl.DataFrame({"id": [1, -2, 1, 500], "origin": ["JFK", "EWR", None, "LGA"]})
    with pytest.raises(DataError) as caught:
        check(bad, "Flights", folder, flights)
    why = caught.value.why
    assert "id: field_uniqueness: failed 2 times in 4 rows\n      row 0: id is 1\n      row 2: id is 1\n" in why
    assert "id: runs: failed 1 time in 4 rows\n      row 3: id is 500" in why
    assert "id: greater_than_or_equal_to(0): failed 1 time in 4 rows\n      row 1: id is -2" in why
    assert "row 1: id is -2, origin is 'EWR'" in why
    assert "row 2: id is 1, origin is None" in why
    assert str(caught.value.where) == "detent.yaml:7 (data.flights.contract)"


def test_many_failures_are_shown_up_to_a_limit(folder: Path, flights: Source) -> None:
    bad = pl.DataFrame({"id": range(1000, 2000), "origin": ["EWR"] * 1000})
    with pytest.raises(DataError) as caught:
        check(bad, "Flights", folder, flights)
    assert "failed 1,000 times" in caught.value.why
    assert "and 997 more" in caught.value.why
    assert caught.value.why.count("row 0: ") == 2
    assert len(caught.value.why) < 1_000


def test_failing_rows_are_kept_whole_with_their_numbers(folder: Path, flights: Source) -> None:
    bad = pl.DataFrame({"id": [1, -2, 3, -4], "origin": ["JFK"] * 4})
    (one,) = judge_contract(bad, SPEC, folder=folder, source=flights)
    assert one.failing is not None
    assert one.failing.rows() == [(1, -2, "JFK"), (3, -4, "JFK")]
    assert one.failing.columns == ["__row__", "id", "origin"]
    assert (one.result.outcome, one.result.failing, one.result.columns) == ("fail", 2, ("id",))


def test_a_contract_of_severity_warn_only_warns(folder: Path, flights: Source) -> None:
    gentle = replace(flights, contract_severity="warn")
    bad = GOOD.with_columns(id=-1)
    check(bad, "Flights", folder, gentle)
    outcomes = {one.result.outcome for one in judge_contract(bad, SPEC, folder=folder, source=gentle)}
    assert outcomes == {"warn"}
    (kept,) = judge_contract(GOOD, SPEC, folder=folder, source=gentle)
    assert (kept.result.outcome, kept.result.reason) == ("pass", "all checks hold on 3 rows")


def test_a_check_that_pandera_only_warns_of_is_a_warning(folder: Path, flights: Source) -> None:
    check(GOOD, "GENTLE", folder, flights)
    (one,) = judge_contract(GOOD, "contracts_for_test.py:GENTLE", folder=folder, source=flights)
    assert one.result.outcome == "warn"
    assert "less_than(3)" in one.result.reason


def test_a_check_that_cannot_run_is_a_failure(folder: Path, flights: Source) -> None:
    with pytest.raises(DataError) as caught:
        check(GOOD, "Broken", folder, flights)
    assert "boom" in caught.value.why


def test_a_missing_column_and_a_wrong_type_are_failures(folder: Path, flights: Source) -> None:
    with pytest.raises(DataError) as caught:
        check(GOOD.select(pl.col("id").cast(pl.String)), "Flights", folder, flights)
    assert "column_in_dataframe" in caught.value.why
    assert "dtype('Int64')" in caught.value.why


@pytest.mark.parametrize(("name", "ids"), [("COERCES", [1, 2]), ("DROPS", [1, -2])])
def test_a_schema_that_changes_the_data_does_not_pass_it(
    folder: Path, flights: Source, name: str, ids: list[int]
) -> None:
    with pytest.raises(DataError, match="contract") as caught:
        check(pl.DataFrame({"id": ids}), name, folder, flights)
    assert "only after a change" in caught.value.why


def test_validation_cannot_be_switched_off_from_outside(folder: Path, flights: Source) -> None:
    with config_context(validation_enabled=False), pytest.raises(DataError):
        check(GOOD.with_columns(id=-1), "Flights", folder, flights)


def test_what_is_no_schema_is_refused(folder: Path, flights: Source) -> None:
    with pytest.raises(ProjectError, match="is no contract"):
        check(GOOD, "TEXT", folder, flights)
