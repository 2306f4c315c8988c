from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from detent.errors import DataError, DetentError, ProjectError
from detent.features import build_features
from detent.records.project import Source

ROWS = Source(name="flights", source="f.csv", time=None, key="id", contract=None, line=3)
FRAMES = {
    "flights": pl.DataFrame({"id": [3, 1, 2], "origin": ["JFK", "LGA", "EWR"]}),
    "weather": pl.DataFrame({"origin": ["LGA", "JFK"], "temp": [1.0, 2.0]}),
}


def test_the_function_gets_the_datasets_that_its_parameters_name() -> None:
    def features(flights: pl.DataFrame, weather: pl.DataFrame, scale: float = 10.0) -> pl.DataFrame:
        joined = flights.join(weather, on="origin", how="left", maintain_order="left")
        return joined.select("id", temp=pl.col("temp") * scale)

    assert build_features(features, FRAMES, rows=ROWS).rows() == [(3, 20.0), (1, 10.0), (2, None)]


def misnamed(flihgts: pl.DataFrame) -> pl.DataFrame:
    return flihgts


def greedy(**flights: pl.DataFrame) -> pl.DataFrame:
    return flights["flights"]


def lazy(flights: pl.DataFrame) -> pl.LazyFrame:
    return flights.lazy()


def nothing(flights: pl.DataFrame) -> None:
    return None


def drops(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    return flights.join(weather, on="origin")


def sorts(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.sort("id")


def renames(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.rename({"id": "idd"})


def rewrites(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.with_columns(id=pl.Series([3, 1, 9]))


def casts(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.with_columns(pl.col("id").cast(pl.String))


def doubles(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.join(flights, on="id", how="left", maintain_order="left")


def crashes(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.select("nothing")


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (misnamed, ProjectError, "did you mean `flights`"),
        (greedy, ProjectError, "can't be filled"),
        (lazy, ProjectError, "add .collect()"),
        (nothing, ProjectError, "it returned NoneType"),
        (drops, DataError, "turned 3 rows of `flights` into 2"),
        (sorts, DataError, "changed the order of the rows of `flights`"),
        (renames, DataError, "has no column `id`"),
        (rewrites, DataError, "row 2 should be 2 and is 9"),
        (casts, DataError, "it is String in the result and Int64"),
        (doubles, DataError, "two columns `origin`"),
        (crashes, ProjectError, "ColumnNotFoundError"),
    ],
)
def test_a_function_that_breaks_its_promise_is_refused(
    function: Callable[..., object], error: type[DetentError], text: str
) -> None:
    with pytest.raises(error) as caught:
        build_features(function, FRAMES, rows=ROWS)
    assert text in str(caught.value)
    assert caught.value.where is not None
    assert Path(caught.value.where.file).name == "test_build.py"


def test_a_crash_names_the_line_of_the_function(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        build_features(crashes, FRAMES, rows=ROWS)
    assert caught.value.where is not None
    lines = Path(__file__).read_text().splitlines()
    assert lines[(caught.value.where.line or 0) - 1].strip() == 'return flights.select("nothing")'


def test_without_a_key_the_number_of_rows_is_checked() -> None:
    keyless = Source(name="flights", source="f.csv", time=None, key=None, contract=None, line=3)
    assert build_features(renames, FRAMES, rows=keyless).height == 3
    with pytest.raises(DataError, match="into 2"):
        build_features(drops, FRAMES, rows=keyless)
