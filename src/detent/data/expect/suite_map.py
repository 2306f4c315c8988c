"""Expectations of Great Expectations in our words. What is not here, or says more than we can, has no counterpart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Fields = dict[str, Any]  # of an Expectation
Mapper = Callable[[Mapping[str, Any]], list[Fields]]

# Arguments that say how to report, not what to check.
IGNORED = ("batch_id", "result_format", "catch_exceptions", "include_config", "meta", "auto", "profiler_config")


class NoCounterpartError(ValueError):
    """An expectation that we can't hold a table against."""


def translate(kind: str, kwargs: Mapping[str, Any]) -> list[Fields]:
    """Return the fields of the Expectations that ask the same as one of Great Expectations.

    Raises:
        NoCounterpartError: there are none; the message says why.
    """
    if kind not in _MAP:
        raise NoCounterpartError("detent has no such check")
    mapper, known = _MAP[kind]
    given = {name: value for name, value in kwargs.items() if value is not None and name not in IGNORED}
    foreign = sorted(set(given) - set(known))
    if foreign:
        raise NoCounterpartError(f"its argument `{foreign[0]}` has no counterpart")
    dynamic = [name for name, value in given.items() if isinstance(value, dict) and "$PARAMETER" in value]
    if dynamic:
        raise NoCounterpartError(f"`{dynamic[0]}` is only known at run time")
    try:
        return mapper(given)
    except KeyError as error:
        raise NoCounterpartError(f"it has no argument {error}") from error


def _statistic(name: str) -> Mapper:
    return lambda given: [{"name": name, "columns": _column(given), **_span(given)}]


def _rows(name: str) -> Mapper:
    return lambda given: [{"name": name, "columns": _column(given), "share": _mostly(given)}]


def _column(given: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(given["column"]),) if "column" in given else ()


def _mostly(given: Mapping[str, Any]) -> float:
    return float(given.get("mostly", 1.0))


def _span(given: Mapping[str, Any]) -> Fields:
    low, high = (given.get(name) for name in ("min_value", "max_value"))
    for end in (low, high):
        if end is not None and (isinstance(end, bool) or not isinstance(end, (int, float))):
            raise NoCounterpartError(f"the bound {end!r} is no number")
    return {
        "op": "in",
        "low": None if low is None else float(low),
        "high": None if high is None else float(high),
        "open_low": bool(given.get("strict_min", False)),
        "open_high": bool(given.get("strict_max", False)),
    }


def _range(given: Mapping[str, Any]) -> list[Fields]:
    return [{"name": "range", "columns": _column(given), "share": _mostly(given), **_span(given)}]


def _length(given: Mapping[str, Any]) -> list[Fields]:
    return [{"name": "length", "columns": _column(given), "share": _mostly(given), **_span(given)}]


def _exact_length(given: Mapping[str, Any]) -> list[Fields]:
    return _length({**given, "min_value": given["value"], "max_value": given["value"]})


def _values(op: str) -> Mapper:
    def mapper(given: Mapping[str, Any]) -> list[Fields]:
        values = tuple(given["value_set"])
        kinds = {str if isinstance(value, str) else bool if isinstance(value, bool) else float for value in values}
        if not values or len(kinds) > 1 or any(not isinstance(value, (str, bool, int, float)) for value in values):
            raise NoCounterpartError("its value_set is empty or holds values of several kinds")
        return [{"name": "values", "columns": _column(given), "op": op, "values": values, "share": _mostly(given)}]

    return mapper


def _match(op: str) -> Mapper:
    def mapper(given: Mapping[str, Any]) -> list[Fields]:
        pattern = str(given["regex"])
        return [
            {"name": "match", "columns": _column(given), "op": op, "argument": pattern, "share": _mostly(given)}
        ]  # fmt: skip

    return mapper


def _ordered(name: str) -> Mapper:
    def mapper(given: Mapping[str, Any]) -> list[Fields]:
        strictly = "strictly" if given.get("strictly") else ""
        return [{"name": name, "columns": _column(given), "argument": strictly, "share": _mostly(given)}]

    return mapper


def _compound(given: Mapping[str, Any]) -> list[Fields]:
    if given.get("ignore_row_if", "all_values_are_missing") != "all_values_are_missing":
        raise NoCounterpartError(f"ignore_row_if is {given['ignore_row_if']}")
    return [{"name": "unique", "columns": tuple(map(str, given["column_list"])), "share": _mostly(given)}]


def _quantiles(given: Mapping[str, Any]) -> list[Fields]:
    if given.get("allow_relative_error"):
        raise NoCounterpartError("allow_relative_error is set")
    asked = given["quantile_ranges"]
    return [
        {
            "name": "quantile", "columns": _column(given), "argument": str(share),
            **_span({"min_value": ends[0], "max_value": ends[1]}),
        }
        for share, ends in zip(asked["quantiles"], asked["value_ranges"], strict=True)
    ]  # fmt: skip


def _row_count(given: Mapping[str, Any]) -> list[Fields]:
    return [{"name": "rows", **_span(given)}]


def _exact_row_count(given: Mapping[str, Any]) -> list[Fields]:
    return _row_count({"min_value": given["value"], "max_value": given["value"]})


def _pair(comparison: Callable[[Mapping[str, Any]], str]) -> Mapper:
    def mapper(given: Mapping[str, Any]) -> list[Fields]:
        one, other = (_quoted(given[name]) for name in ("column_A", "column_B"))
        holds = f"{one} {comparison(given)} {other}"
        sql = _UNKNOWN[given.get("ignore_row_if", "both_values_are_missing")].format(a=one, b=other, holds=holds)
        columns = (str(given["column_A"]), str(given["column_B"]))
        return [{"name": "check", "columns": columns, "argument": sql, "share": _mostly(given)}]

    return mapper


# In SQL a comparison with a missing value is unknown; there, which rows are left out is said by `ignore_row_if`.
_UNKNOWN = {
    "both_values_are_missing": "CASE WHEN {a} IS NULL AND {b} IS NULL THEN NULL ELSE COALESCE({holds}, FALSE) END",
    "either_value_is_missing": "{holds}",
    "neither": "COALESCE({holds}, FALSE)",
}


def _quoted(name: object) -> str:
    return '"' + str(name).replace('"', '""') + '"'


_ROW = ("column", "mostly")
_ENDS = ("min_value", "max_value", "strict_min", "strict_max")
_PAIR = ("column_A", "column_B", "ignore_row_if", "mostly")
_STATISTICS = {
    "mean": "mean", "median": "median", "min": "min", "max": "max", "sum": "sum", "stdev": "std",
    "unique_value_count": "distinct", "proportion_of_unique_values": "unique_rate",
}  # fmt: skip

_MAP: dict[str, tuple[Mapper, tuple[str, ...]]] = {
    **{
        f"expect_column_{theirs}_to_be_between": (_statistic(ours), ("column", *_ENDS))
        for theirs, ours in _STATISTICS.items()
    },
    "expect_column_to_exist": (lambda given: [{"name": "has", "columns": _column(given)}], ("column",)),
    "expect_column_values_to_not_be_null": (_rows("filled"), _ROW),
    "expect_column_values_to_be_null": (_rows("empty"), _ROW),
    "expect_column_values_to_be_unique": (_rows("unique"), _ROW),
    "expect_column_values_to_be_between": (_range, (*_ROW, *_ENDS)),
    "expect_column_value_lengths_to_be_between": (_length, (*_ROW, *_ENDS)),
    "expect_column_value_lengths_to_equal": (_exact_length, (*_ROW, "value")),
    "expect_column_values_to_be_in_set": (_values("in"), (*_ROW, "value_set")),
    "expect_column_distinct_values_to_be_in_set": (_values("in"), ("column", "value_set")),
    "expect_column_values_to_not_be_in_set": (_values("not in"), (*_ROW, "value_set")),
    "expect_column_values_to_match_regex": (_match(""), (*_ROW, "regex")),
    "expect_column_values_to_not_match_regex": (_match("not in"), (*_ROW, "regex")),
    "expect_column_values_to_be_increasing": (_ordered("increasing"), (*_ROW, "strictly")),
    "expect_column_values_to_be_decreasing": (_ordered("decreasing"), (*_ROW, "strictly")),
    "expect_compound_columns_to_be_unique": (_compound, ("column_list", "ignore_row_if", "mostly")),
    "expect_column_quantile_values_to_be_between": (
        _quantiles,
        ("column", "quantile_ranges", "allow_relative_error"),
    ),
    "expect_table_row_count_to_be_between": (_row_count, _ENDS),
    "expect_table_row_count_to_equal": (_exact_row_count, ("value",)),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        _pair(lambda given: ">=" if given.get("or_equal") else ">"),
        (*_PAIR, "or_equal"),
    ),
    "expect_column_pair_values_to_be_equal": (_pair(lambda _: "="), _PAIR),
}
MAPPED = frozenset(_MAP)
