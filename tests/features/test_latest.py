from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.errors import DataError
from detent.features import latest_known

START = datetime(2013, 1, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")


def moment(tick: int | None) -> datetime | None:
    return None if tick is None else START + timedelta(minutes=tick)


def spine(rows: list[tuple[int | None, str | None, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        {"at": [moment(at) for at, _, _ in rows], "k": [k for _, k, _ in rows], "j": [j for _, _, j in rows]},
        schema={"at": TIME, "k": pl.String, "j": pl.Int64},
    ).with_row_index("row")


def history(rows: list[tuple[int | None, str | None, int | None, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "known": [moment(known) for known, _, _, _ in rows],
            "k": [k for _, k, _, _ in rows],
            "j": [j for _, _, j, _ in rows],
            "v": [v for _, _, _, v in rows],
            "w": range(len(rows)),
        },
        schema={"known": TIME, "k": pl.String, "j": pl.Int64, "v": pl.Int64, "w": pl.Int64},
    )


def brute_force(rows: pl.DataFrame, table: pl.DataFrame, ttl: timedelta | None) -> list[tuple[object, object]]:
    """The rule, word by word, one row after the other."""
    out: list[tuple[object, object]] = []
    for row in rows.to_dicts():
        best = None
        for candidate in table.to_dicts():
            if None in (row["at"], candidate["known"], row["k"], row["j"]) or candidate["known"] > row["at"]:
                continue
            if (candidate["k"], candidate["j"]) == (row["k"], row["j"]) and (
                best is None or candidate["known"] >= best["known"]
            ):
                best = candidate
        alive = best is not None and (ttl is None or row["at"] - best["known"] <= ttl)
        out.append((best["v"], best["w"]) if best is not None and alive else (None, None))
    return out


ticks = st.none() | st.integers(0, 6)
keys = st.sampled_from(["a", "b", None])
numbers = st.sampled_from([1, 11, None])


@given(
    st.lists(st.tuples(ticks, keys, numbers), max_size=12),
    st.lists(st.tuples(ticks, keys, numbers, st.none() | st.integers(0, 99)), max_size=25),
    st.none() | st.integers(0, 4),
)
def test_it_agrees_with_the_rule_applied_row_by_row(
    asked: list[tuple[int | None, str | None, int | None]],
    known: list[tuple[int | None, str | None, int | None, int | None]],
    ttl: int | None,
) -> None:
    rows, table = spine(asked), history(known)
    alive = None if ttl is None else timedelta(minutes=ttl)
    result = latest_known(rows, table, at="at", known_at="known", by=["k", "j"], ttl=alive)
    assert result.select(rows.columns).equals(rows)
    assert result.select("v", "w").rows() == brute_force(rows, table, alive)


@given(st.lists(st.tuples(ticks, keys, numbers), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rows_with_different_times_and_the_order_of_the_spine_do_not_matter(
    asked: list[tuple[int | None, str | None, int | None]], shuffle: random.Random
) -> None:
    rows = spine(asked)
    table = history([(tick, key, number, tick) for tick in range(6) for key in ("a", "b") for number in (1, 11)])
    order = list(range(table.height))
    shuffle.shuffle(order)
    turned = list(range(rows.height))
    shuffle.shuffle(turned)
    plain = latest_known(rows, table, at="at", known_at="known", by=["k", "j"], ttl="2m")
    mixed = latest_known(rows[turned], table[order], at="at", known_at="known", by=["k", "j"], ttl="2m")
    assert mixed.sort("row").equals(plain)


def test_exactly_ttl_is_alive_and_one_microsecond_more_is_not() -> None:
    table = pl.DataFrame({"known": [START], "k": ["a"], "v": [7]})
    late = START + timedelta(hours=6)
    rows = pl.DataFrame({"at": [late, late + timedelta(microseconds=1)], "k": ["a", "a"]})
    assert latest_known(rows, table, at="at", known_at="known", by="k", ttl="6h")["v"].to_list() == [7, None]


def test_an_expired_row_never_lets_an_older_one_through_and_a_newer_null_counts() -> None:
    table = pl.DataFrame({"known": [START, START + timedelta(hours=1)], "k": ["a", "a"], "v": [7, None]})
    rows = pl.DataFrame({"at": [START + timedelta(hours=2)], "k": ["a"]})
    assert latest_known(rows, table, at="at", known_at="known", by="k")["v"].to_list() == [None]


def test_a_row_known_a_nanosecond_later_is_the_future() -> None:
    table = pl.DataFrame({"known": pl.Series([1_000_001]).cast(pl.Datetime("ns")), "k": ["a"], "v": [7]})
    rows = pl.DataFrame({"at": pl.Series([1_000]).cast(pl.Datetime("us", "UTC")), "k": ["a"]})
    assert latest_known(rows, table, at="at", known_at="known", by="k")["v"].to_list() == [None]


def test_zones_are_compared_as_moments() -> None:
    naive = datetime(2013, 1, 1, 12)
    table = pl.DataFrame({"known": [naive], "k": ["a"], "v": [7]})
    rows = pl.DataFrame({"at": [naive, naive], "k": ["a", "a"]}).with_columns(
        at=pl.Series(["2013-01-01T06:59:00", "2013-01-01T07:00:00"]).str.to_datetime(time_zone="America/New_York")
    )
    assert latest_known(rows, table, at="at", known_at="known", by="k")["v"].to_list() == [None, 7]


def test_nan_keys_match_nothing_and_no_keys_match_everything() -> None:
    table = pl.DataFrame({"known": [START], "k": [float("nan")], "v": [7]})
    rows = pl.DataFrame({"at": [START], "k": [float("nan")]})
    assert latest_known(rows, table, at="at", known_at="known", by="k")["v"].to_list() == [None]
    assert latest_known(rows, table.drop("k"), at="at", known_at="known", by=[])["v"].to_list() == [7]


def test_empty_tables_give_nulls_and_empty_rows_give_no_rows() -> None:
    table = pl.DataFrame({"known": [START], "k": ["a"], "v": [7]})
    rows = pl.DataFrame({"at": [START], "k": ["a"]})
    assert latest_known(rows, table.clear(), at="at", known_at="known", by="k")["v"].to_list() == [None]
    empty = latest_known(rows.clear(), table, at="at", known_at="known", by="k")
    assert (empty.height, empty.columns) == (0, ["at", "k", "v"])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"by": "kk"}, "`kk` is not in rows"),
        ({"at": "when"}, "`when` is not in rows"),
        ({"known_at": "knwon"}, "`knwon` is not in the table"),
        ({"known_at": "v"}, "holds no datetimes"),
        ({"by": "n"}, "`n` is Int64 in rows and String"),
        ({"ttl": "6 hours"}, "`ttl` is not right"),
        ({"ttl": timedelta(hours=-1)}, "`ttl` is not right"),
        ({"by": []}, "column `k` is in rows and in the table"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(change: dict[str, object], match: str) -> None:
    table = pl.DataFrame({"known": [START], "k": ["a"], "v": [7], "n": ["1"]})
    rows = pl.DataFrame({"at": [START], "k": ["a"], "n": [1]})
    table = table if "n" in change.values() else table.drop("n")
    arguments = {"at": "at", "known_at": "known", "by": "k", "ttl": None} | change
    with pytest.raises(DataError, match=match):
        latest_known(rows, table, **arguments)  # pyright: ignore[reportArgumentType]
