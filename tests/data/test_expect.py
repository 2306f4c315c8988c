from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from detent.data.expect.judge import KEPT_ROWS, Checked, columns_compared, evaluate, worst
from detent.data.expect.measure import stale_after
from detent.project.expect import parse_expectation
from detent.project.expect_forms import FORMS

NOW = datetime(2024, 5, 10, tzinfo=UTC)
FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 5],
        "origin": ["EWR", "JFK", None, "LGA", "XXX"],
        "price": [1.0, 2.0, math.nan, None, 100.0],
        "qty": [5, 5, 6, 7, 8],
        "at": [NOW - timedelta(days=days) for days in (5, 4, 3, 2, 1)],
        "day": [date(2024, 5, day) for day in (5, 6, 7, 8, 9)],
        "ok": [True, True, False, None, True],
        "left": [1, 2, 3, None, 5],
        "right": [0, 5, None, None, 4],
    }
)
AIRPORTS = pl.DataFrame({"faa": ["EWR", "JFK", "LGA"], "code": [1, 2, 3]})


def judge(
    text: str, frame: pl.DataFrame = FRAME, *, last: pl.DataFrame | None = None, now: datetime = NOW
) -> Checked:  # fmt: skip
    (found,) = evaluate(
        frame, [parse_expectation(text, 1)], last=last, others={"airports": AIRPORTS, "me": frame}, now=now
    )
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rows >= 5", 5.0),
        ("null_rate(price) <= 40%", 0.4),  # a NaN is no value
        ("mean(qty) in 6..7", 6.2),
        ("median(qty) <= 6", 6.0),
        ("std(qty) < 1.31", math.sqrt(1.7)),
        ("sum(price) in 103..103", 103.0),
        ("min(price) >= 1", 1.0),
        ("max(price) <= 100", 100.0),
        ("distinct(qty) in 4..4", 4.0),
        ("unique_rate(qty) >= 80%", 0.8),
        ("quantile(qty, 0.5) <= 6", 6.0),
        ("mean(ok) >= 0.7", 0.75),
        ("min(day) in 2024-05-05..2024-05-05", datetime(2024, 5, 5, tzinfo=UTC).timestamp()),
        ("max(at) in 2024-05-09..", datetime(2024, 5, 9, tzinfo=UTC).timestamp()),
        ("freshness(at) <= 1d", 86_400.0),
        ("freshness(day) <= 36h", 86_400.0),
    ],
)
def test_a_statistic_within_its_limit_is_kept_and_one_beyond_is_not(text: str, value: float) -> None:
    kept = judge(text).result
    assert kept.outcome == "pass", kept
    assert kept.value == pytest.approx(value)
    beyond = {"<=": "< -1e18", "<": "< -1e18", ">=": "> 1e18", "in": "in 9e18..9e19"}
    op = next(op for op in ("<=", ">=", "<", "in") if f" {op} " in text)
    worse = text.partition(f" {op} ")[0] + (" < 1s" if "freshness" in text else f" {beyond[op]}")
    broken = judge(worse).result
    assert (broken.outcome, broken.value) == ("fail", kept.value)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("null_rate(price) <= 39%", [2, 3]),
        ("filled(origin)", [2]),
        ("empty(origin)", [0, 1, 3, 4]),
        ("range(price) in 0..50", [4]),
        ("range(price) in 1.5..", [0]),
        ("range(qty) in 6..7", [0, 1, 4]),
        ("range(at) in 2024-05-06..2024-05-08", [0, 4]),
        ("range(day) in ..2024-05-08", [4]),
        ("values(origin) in [EWR, JFK, LGA]", [4]),
        ("values(origin) not in [EWR]", [0]),
        ("values(qty) in [5, 6, 7.5]", [3, 4]),
        ("values(ok) in [true]", [2]),
        ('values(day) in ["2024-05-05", "2024-05-06"]', [2, 3, 4]),
        ('values(at) not in ["2024-05-05"]', [0]),
        ("unique(qty)", [0, 1]),
        ("unique(qty, ok)", [0, 1]),
        ('match(origin, "^[EJL]")', [4]),
        ("length(origin) in 4..", [0, 1, 3, 4]),
        ("increasing(price)", []),
        ("decreasing(qty)", [2, 3, 4]),
        ("exists(origin in airports.faa)", [4]),
        ("exists(qty in airports.code)", [0, 1, 2, 3, 4]),
        ('check("left > right")', [1]),  # unknown is not false, as in SQL
        ('check("price < 50")', [4]),  # and a NaN is unknown
        ("check(\"origin <> 'XXX' and qty > 5\")", [0, 1, 4]),
    ],
)
def test_rows_that_break_a_promise_are_counted_and_kept_whole(text: str, rows: list[int]) -> None:
    found = judge(text)
    assert found.result.outcome == ("fail" if rows else "pass"), found.result
    assert found.result.failing == len(rows)
    if rows:
        assert found.failing is not None
        assert found.failing["__row__"].to_list() == rows
        assert found.failing.drop("__row__").equals(FRAME[rows])
        assert set(found.result.columns) <= set(FRAME.columns)


def test_a_share_of_the_judged_rows_may_break_it() -> None:
    # origin has four values, one of which is wrong
    assert judge("values(origin) in [EWR, JFK, LGA] for 75%").result.outcome == "pass"
    worse = judge("values(origin) in [EWR, JFK, LGA] for 75.1%").result
    assert (worse.outcome, worse.value, worse.rows) == ("fail", 0.75, 4)
    assert "1 of 4 rows break it (25%)" in worse.reason


def test_a_promise_that_only_warns_does() -> None:
    assert judge("filled(origin) -> warn").result.outcome == "warn"
    results = [judge(text).result for text in ("filled(origin) -> warn", "rows >= 1")]
    assert worst(results) == "warn"
    assert worst([*results, judge("filled(origin)").result]) == "fail"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mean(prize) <= 5", "did you mean `price`"),
        ("mean(origin) <= 5", "String"),
        ("freshness(qty) <= 5d", "holds no times"),
        ("range(origin) in 0..5", "is String, and the bound 0.0 is a number"),
        ("range(qty) in 2024-01-01..", "is a date"),
        ("values(qty) in [EWR]", "the list has 'EWR'"),
        ('match(qty, "x")', "not text"),
        ("exists(origin in airports.code)", "values of different types match nothing"),
        ("exists(origin in airports.fa)", "did you mean `faa`"),
        ('check("left >")', "could not be checked"),
        ('check("nothing > 1")', "could not be checked"),
        ('check("left + 1")', "not true or false"),
        ("has(id, prize)", "did you mean `price`"),
        ("unique(prize)", "did you mean `price`"),
    ],
)
def test_a_promise_that_cannot_be_checked_is_broken(text: str, words: str) -> None:
    found = judge(text).result
    assert found.outcome == "fail"
    assert words in found.reason


def test_a_check_over_aggregates_judges_the_whole_table() -> None:
    assert judge('check("max(qty) > 7")').result.outcome == "pass"
    found = judge('check("max(qty) > 8")')
    assert (found.result.outcome, found.result.failing, found.failing) == ("fail", 0, None)


def test_without_values_a_statistic_is_broken_and_a_rule_about_rows_is_not() -> None:
    nothing = FRAME.with_columns(price=pl.lit(None, dtype=pl.Float64))
    assert judge("mean(price) <= 5", nothing).result.outcome == "fail"
    assert judge("range(price) in 0..1", nothing).result.outcome == "pass"
    assert judge("null_rate(price) <= 99%", nothing).result.outcome == "fail"


def test_the_first_failing_rows_are_kept_and_all_are_counted() -> None:
    many = pl.DataFrame({"x": range(5_000)})
    found = judge("range(x) in 100..", many)
    assert found.result.failing == 100
    found = judge("range(x) in ..100", many)
    assert found.failing is not None
    assert (found.result.failing, found.failing.height) == (4_899, KEPT_ROWS)
    assert found.failing["__row__"][0] == 101


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("rows >= 0.5 * last", 50, 49),
        ("rows <= 1.2 * last", 120, 121),
        ("rows >= last", 100, 99),
        ("rows within 10% vs last", 110, 111),
        ("rows within 10% vs last", 90, 89),
        ("distinct(x) within 0% vs last", 100, 101),
    ],
)
def test_a_number_is_compared_with_the_last_good_snapshot(text: str, good: int, bad: int) -> None:
    last = pl.DataFrame({"x": range(100)})
    for rows, outcome in ((good, "pass"), (bad, "fail")):
        assert judge(text, pl.DataFrame({"x": range(rows)}), last=last).result.outcome == outcome
    assert judge(text, pl.DataFrame({"x": range(bad)})).result.outcome == "pass"  # the first one has no last


def test_a_number_that_was_zero_may_only_stay_zero() -> None:
    zeros = pl.DataFrame({"x": [0, 0]})
    assert judge("sum(x) within 10% vs last", zeros, last=zeros).result.outcome == "pass"
    assert judge("sum(x) within 10% vs last", zeros + 1, last=zeros).result.outcome == "fail"


@pytest.mark.parametrize("kind", ["psi", "ks"])
def test_a_moved_distribution_is_noticed_and_chance_is_not(kind: str) -> None:
    same = [pl.DataFrame({"x": pl.Series(_normal(seed, 400))}) for seed in (1, 2)]
    assert judge(f"{kind}(x) <= 0.1 vs last", same[0], last=same[1]).result.outcome == "pass"
    moved = judge(f"{kind}(x) <= 0.1 vs last", same[0] + 1.0, last=same[1]).result
    assert moved.outcome == "fail"
    assert moved.value is not None
    assert moved.value > 0.3
    assert judge(f"{kind}(x) <= 0.1 vs last", same[0]).result.outcome == "pass"


def test_the_shift_of_texts_is_one_of_levels() -> None:
    last = pl.DataFrame({"x": ["a"] * 60 + ["b"] * 40})
    assert (
        judge("psi(x) <= 0.05 vs last", pl.DataFrame({"x": ["a"] * 65 + ["b"] * 35}), last=last).result.outcome
        == "pass"
    )
    moved = pl.DataFrame({"x": ["a"] * 20 + ["b"] * 40 + ["c"] * 40})
    assert judge("psi(x) <= 0.05 vs last", moved, last=last).result.outcome == "fail"
    assert "compared" in judge("psi(x) <= 0.05 vs last", pl.DataFrame({"x": [1.0]}), last=last).result.reason
    empty = pl.DataFrame({"x": pl.Series([None], dtype=pl.String)})
    assert judge("psi(x) <= 0.05 vs last", empty, last=last).result.outcome == "fail"


def _normal(seed: int, rows: int) -> list[float]:
    from random import Random

    random = Random(seed)
    return [random.gauss(0.0, 1.0) for _ in range(rows)]


def test_a_time_in_the_future_does_not_make_old_data_fresh() -> None:
    future = FRAME.with_columns(at=pl.when(pl.col("id") == 5).then(NOW + timedelta(days=999)).otherwise(pl.col("at")))
    assert judge("freshness(at) <= 36h", FRAME).result.outcome == "pass"
    assert judge("freshness(at) <= 36h", future).result.outcome == "fail"


def test_the_moment_at_which_freshness_ends_is_known_beforehand() -> None:
    fresh = parse_expectation("freshness(at) <= 2d", 1)
    end = stale_after(FRAME, fresh, NOW)
    assert end == NOW + timedelta(days=1)
    assert judge(fresh.text, now=end).result.outcome == "pass"
    assert judge(fresh.text, now=end + timedelta(microseconds=1)).result.outcome == "fail"
    assert stale_after(FRAME, fresh, NOW + timedelta(days=9)) is None
    assert stale_after(FRAME, parse_expectation("rows >= 1", 1), NOW) is None


def test_only_the_columns_that_are_compared_are_needed_of_the_last_snapshot() -> None:
    lines = ["mean(a) within 1% vs last", "psi(b) <= 1 vs last", "mean(c) <= 1", "rows >= last", "psi(a) <= 1 vs last"]
    assert columns_compared([parse_expectation(line, 1) for line in lines]) == ("a", "b")


def test_judging_is_repeatable_whatever_the_chunks_of_the_frame() -> None:
    pieces = pl.concat([FRAME[:2], FRAME[2:]], rechunk=False)
    for text in ("mean(price) <= 1", "unique(qty)", 'check("left > right")', "exists(origin in airports.faa)"):
        assert judge(text, pieces).result == judge(text).result


def test_every_line_of_the_page_about_contracts_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data-contracts.md").read_text()
    table = page.partition("## Promises")[2].partition("\n\n- A line")[0]
    lines = [line for line in re.findall(r"`([^`]+)`", table) if " in " in line or "last" in line or "(" in line]
    whole = [line for line in lines if not re.fullmatch(r"\w+\(c(, 0.95)?\)|within.*|>= 0.5 \* last", line)]
    assert len(whole) >= 15
    for line in whole:
        parse_expectation(line, 1)
    named = set(re.findall(r"(\w+)\(", table)) | {"rows"}
    assert set(FORMS) <= named
