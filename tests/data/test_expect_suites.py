from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from detent.data.expect import gx
from detent.data.expect.judge import Checked, evaluate
from detent.data.expect.suite_map import MAPPED
from detent.data.expect.suites import GX, import_suite
from detent.errors import DataError, MissingExtraError
from detent.store.environments import install

NOW = datetime(2024, 5, 10, tzinfo=UTC)
FRAME = pl.DataFrame(
    {
        "a": [1.0, 2.0, None, 5.0, 5.0, 9.0],
        "b": [0.0, 3.0, None, None, 5.0, 9.5],
        "n": [3, 1, 4, 1, 5, 9],
        "s": ["EWR", "JFK", None, "LGA", "LGA", "toolong"],
        "up": [1, 2, 2, 3, None, 4],
        "at": [datetime(2024, 5, day, tzinfo=UTC) for day in range(1, 7)],
        "flag": [True, False, True, True, False, True],
    }
)

# One of each kind that we know, in variants that hold and that do not, and near every limit.
ENTRIES: list[tuple[str, dict[str, Any]]] = [
    *(("expect_column_values_to_not_be_null", {"column": "a", "mostly": share}) for share in (1.0, 5 / 6, 0.84)),
    *(("expect_column_values_to_be_null", {"column": "a", "mostly": share}) for share in (1.0, 1 / 6, 0.17)),
    *(("expect_column_values_to_be_unique", {"column": name}) for name in ("a", "n", "s", "at")),
    ("expect_column_values_to_be_unique", {"column": "a", "mostly": 0.6}),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 1, "max_value": 9}),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 1, "max_value": 9, "strict_min": True}),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 1, "max_value": 9, "strict_max": True}),
    ("expect_column_values_to_be_between", {"column": "a", "max_value": 5, "mostly": 0.8}),
    ("expect_column_values_to_be_between", {"column": "a", "max_value": 5, "mostly": 0.81}),
    ("expect_column_values_to_be_between", {"column": "n", "min_value": 2.5}),
    ("expect_column_value_lengths_to_be_between", {"column": "s", "min_value": 3, "max_value": 3}),
    ("expect_column_value_lengths_to_equal", {"column": "s", "value": 3, "mostly": 0.8}),
    ("expect_column_values_to_be_in_set", {"column": "s", "value_set": ["EWR", "JFK", "LGA"]}),
    ("expect_column_values_to_be_in_set", {"column": "n", "value_set": [1, 3, 4, 5, 9]}),
    ("expect_column_values_to_be_in_set", {"column": "flag", "value_set": [True]}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "s", "value_set": ["EWR", "JFK", "LGA", "toolong"]}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "s", "value_set": ["EWR", "JFK"]}),
    ("expect_column_values_to_not_be_in_set", {"column": "s", "value_set": ["XXX", "LGA"]}),
    ("expect_column_values_to_match_regex", {"column": "s", "regex": "^[A-Z]{3}$"}),
    ("expect_column_values_to_match_regex", {"column": "s", "regex": "(?=J)J", "mostly": 0.2}),
    ("expect_column_values_to_not_match_regex", {"column": "s", "regex": "o{2}"}),
    *(("expect_column_values_to_be_increasing", {"column": name}) for name in ("up", "n")),
    ("expect_column_values_to_be_increasing", {"column": "up", "strictly": True}),
    ("expect_column_values_to_be_decreasing", {"column": "n", "mostly": 0.5}),
    *(("expect_compound_columns_to_be_unique", {"column_list": list(names)}) for names in ("as", "ab", "nb")),
    ("expect_column_to_exist", {"column": "a"}),
    ("expect_column_to_exist", {"column": "nothing"}),
    *(("expect_table_row_count_to_be_between", {"min_value": low, "max_value": 6}) for low in (6, 7)),
    *(("expect_table_row_count_to_equal", {"value": rows}) for rows in (6, 5)),
    *(
        (f"expect_column_{name}_to_be_between", {"column": "a", "min_value": 0.5, "max_value": top})
        for name in ("mean", "median", "min", "max", "sum", "stdev", "unique_value_count")
        for top in (3.0, 22.0)
    ),
    ("expect_column_max_to_be_between", {"column": "a", "max_value": 9, "strict_max": True}),
    *(
        ("expect_column_proportion_of_unique_values_to_be_between", {"column": "a", "min_value": low, "max_value": 1.0})
        for low in (0.8, 0.81)
    ),
    *(
        (
            "expect_column_quantile_values_to_be_between",
            {
                "column": "n",
                "quantile_ranges": {"quantiles": [0.1, 0.5, 0.9], "value_ranges": [[1, 1], [3, 4], [low, 9]]},
            },
        )
        for low in (5, 6)
    ),
    *(
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "a", "column_B": "b", **more})
        for more in (
            {},
            {"or_equal": True},
            {"or_equal": True, "mostly": 0.3},
            {"ignore_row_if": "either_value_is_missing"},
            {"ignore_row_if": "neither"},
        )
    ),
    *(
        ("expect_column_pair_values_to_be_equal", {"column_A": "a", "column_B": "b", "ignore_row_if": which})
        for which in ("both_values_are_missing", "either_value_is_missing")
    ),
]  # fmt: skip
FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_be_of_type", {"column": "s", "type_": "str"}),
    ("expect_column_most_common_value_to_be_in_set", {"column": "s", "value_set": ["LGA"]}),
    ("expect_column_value_z_scores_to_be_less_than", {"column": "n", "threshold": 1.5, "double_sided": True}),
    ("expect_column_mean_to_be_between", {"column": "nothing", "min_value": 0}),
    ("expect_column_values_to_be_nonsense", {"column": "a"}),
]


def write(folder: Path, entries: list[tuple[str, dict[str, Any]]], **more: Any) -> Path:
    path = folder / "suite.json"
    listed = [{"type": kind, "kwargs": kwargs, "meta": {}, **more} for kind, kwargs in entries]
    path.write_text(json.dumps({"name": "suite", "expectations": listed, "meta": {}}))
    return path


def judged(path: Path) -> list[Checked]:
    return list(evaluate(FRAME, import_suite(path), last=None, others={}, now=NOW))


def test_every_kind_that_we_know_is_translated_and_tried_here(tmp_path: Path) -> None:
    assert {kind for kind, _ in ENTRIES} == set(MAPPED)
    found = import_suite(write(tmp_path, ENTRIES))
    assert GX not in {one.name for one in found}
    assert "could not be checked" not in " ".join(one.result.reason for one in judged(tmp_path / "suite.json"))


def test_an_older_suite_is_read_and_its_notes_and_severities_are_kept(tmp_path: Path) -> None:
    entries = [
        {
            "expectation_type": "expect_column_to_exist", "kwargs": {"column": "a"},
            "meta": {"notes": {"content": ["why", "so"]}},
        },
        {"type": "expect_column_to_exist", "kwargs": {"column": "b"}, "severity": "warning"},
        {"type": "expect_column_to_exist", "kwargs": {"column": "b"}, "severity": "critical"},
    ]  # fmt: skip
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"expectation_suite_name": "old", "expectations": entries}))
    found = import_suite(path)
    assert [(one.name, one.severity, one.note) for one in found] == [
        ("has", "fail", "why so"), ("has", "warn", ""), ("has", "fail", ""),
    ]  # fmt: skip
    assert found[1].origin == "old.json[1]"
    assert [one.severity for one in import_suite(path, severity="warn")] == ["warn", "warn", "warn"]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (("expect_column_values_to_be_of_type", {"column": "a", "type_": "int"}), "no such check"),
        (("expect_column_mean_to_be_between", {"column": "a", "row_condition": "x > 1"}), "`row_condition`"),
        (("expect_column_values_to_be_between", {"column": "at", "min_value": "2024-01-01"}), "is no number"),
        (("expect_column_max_to_be_between", {"column": "a", "max_value": {"$PARAMETER": "x"}}), "at run time"),
        (("expect_column_values_to_be_in_set", {"column": "a", "value_set": [1, "x"]}), "several kinds"),
        (("expect_column_values_to_be_in_set", {"column": "a"}), "no argument 'value_set'"),
    ],
)
def test_what_has_no_counterpart_is_never_dropped(tmp_path: Path, entry: tuple[str, dict[str, Any]], why: str) -> None:
    path = write(tmp_path, [entry])
    (left,) = import_suite(path)
    assert left.name == GX
    assert why in left.note
    assert json.loads(left.argument) == {"type": entry[0], "kwargs": entry[1]}
    (alone,) = import_suite(path, engine="detent")
    (found,) = evaluate(FRAME, [alone], last=None, others={}, now=NOW)
    assert found.result.outcome == "fail"
    assert why in found.result.reason
    with pytest.raises(MissingExtraError, match="by Great Expectations itself") as caught:
        gx.run(FRAME, [left], environments=tmp_path)
    assert "--install-gx" in caught.value.fix


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"expectations": [1]}', '{"expectations": [{"kwargs": {}}]}'])
def test_what_is_no_suite_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "suite.json").write_text(text)
    with pytest.raises(DataError, match="is no suite"):
        import_suite(tmp_path / "suite.json")
    with pytest.raises(DataError, match="can't be read"):
        import_suite(tmp_path / "none.json")


@pytest.mark.slow
def test_the_real_great_expectations_comes_to_the_same_results(tmp_path: Path) -> None:
    """It is installed once, into the cache folder of whoever runs the tests."""
    environments = Path.home() / ".cache" / "detent" / "environments"
    install(gx.TOOL, environments)
    path = write(tmp_path, [*ENTRIES, *FOREIGN])
    theirs = gx.run(FRAME, import_suite(path, engine="gx"), environments=environments)
    ours: dict[str, list[Checked]] = {}
    for promise, one in zip(import_suite(path), judged(path), strict=True):
        ours.setdefault(promise.origin, []).append(one)
    for index, ((kind, kwargs), real) in enumerate(zip([*ENTRIES, *FOREIGN], theirs, strict=True)):
        mine = ours[f"suite.json[{index}]"]
        if index >= len(ENTRIES):
            continue
        outcome = "fail" if any(one.result.outcome == "fail" for one in mine) else "pass"
        assert outcome == real.result.outcome, (kind, kwargs, real.result, mine)
        if "distinct" not in kind:  # there it counts values, and we count rows
            assert mine[0].result.failing == real.result.failing, (kind, kwargs, real.result, mine)
        if real.failing is not None:
            assert mine[0].failing is not None
            assert mine[0].failing.equals(real.failing), (kind, kwargs)
        if real.result.value is not None:
            assert mine[0].result.value == pytest.approx(real.result.value), (kind, kwargs)
    assert [one.result.outcome for one in theirs[len(ENTRIES) :]] == ["pass", "pass", "fail", "fail", "fail"]
    assert "could not be checked" in theirs[-1].result.reason
    assert "could not be checked" in theirs[-2].result.reason
    assert theirs[-3].failing is not None
    assert theirs[-3].failing["n"].to_list() == [9]
