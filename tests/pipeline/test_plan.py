from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.errors import ProjectError
from detent.pipeline.executors.protocol import Died, Done, Outcome, Raised, TimedOut, TooLarge
from detent.pipeline.frame import Digest, framed_digest
from detent.pipeline.options import Options
from detent.pipeline.parts import Parts
from detent.pipeline.plan import key_of, why
from detent.pipeline.retry import retry_delay
from detent.records.run import StepRun

PARTS = Parts(
    function="pipeline.py:train",
    code={"pipeline.py:train": "a", "features.py:clean": "b"},
    source="s",
    environment={"python": "3.11", "polars": "2.1.0"},
    policy={"stored forms": "1"},
    params={"learning_rate": ("c", "0.05")},
    inputs={"rows": ("d", "flights")},
)

DIFFERENT = [
    None, True, False, 1, 0, 1.0, 0.0, -0.0, float("nan"), float("inf"), "1", "True", "", b"1", b"", [], [1], [[1]],
    (1,), (), {}, {"a": 1}, {"a": "1"}, {"a": 1, "b": 2}, {"a": "1b2"}, {1: "a"}, set(), {1}, frozenset({1}),
    [1, 2], [12], ["ab", "c"], ["aSb"], ["a", "b"],
    ["a", "bc"], date(2013, 1, 1), datetime(2013, 1, 1), datetime(2013, 1, 1, tzinfo=UTC),
    datetime(2013, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), timedelta(seconds=1), Decimal("1"), Decimal("1.0"),
    Digest("1"), 10**30,
]  # fmt: skip


def test_values_that_differ_in_type_or_shape_have_different_digests() -> None:
    for one, two in combinations(DIFFERENT, 2):
        assert framed_digest(one) != framed_digest(two), (one, two)


def test_equal_values_have_equal_digests_whatever_their_order_or_bits() -> None:
    assert framed_digest({"a": 1, "b": [2, {3}]}) == framed_digest({"b": [2, {3}], "a": 1})
    assert framed_digest({1, 2, 3, 10**9}) == framed_digest({10**9, 3, 2, 1})
    assert framed_digest(float("nan")) == framed_digest(-float("nan"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def written(value: object) -> str:
    """Types and values, spelt out: another way to say when two values are the same."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{key!r}:{written(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return f"{type(value).__name__}({value!r})"


@given(values, values)
def test_digests_are_equal_exactly_when_values_and_types_are(one: object, two: object) -> None:
    assert (framed_digest(one) == framed_digest(two)) == (written(one) == written(two))


@pytest.mark.parametrize("value", [object(), np.float64(1), [np.int64(1)], {"a": {1: print}}, lambda: 1])
def test_a_value_nobody_can_compare_is_refused(value: object) -> None:
    with pytest.raises(ProjectError, match="can't be a parameter"):
        framed_digest(value, name="learning_rate")


def test_the_key_depends_on_every_part_and_not_on_what_is_shown() -> None:
    variants = [
        PARTS,
        replace(PARTS, function="pipeline.py:fit"),
        replace(PARTS, code={"pipeline.py:train": "a", "features.py:clean": "B"}),
        replace(PARTS, code={"pipeline.py:train": "a"}),
        replace(PARTS, environment={"python": "3.12", "polars": "2.1.0"}),
        replace(PARTS, params={"learning_rate": ("C", "0.05")}),
        replace(PARTS, params={}),
        replace(PARTS, inputs={"rows": ("D", "flights")}),
        replace(PARTS, params={"rows": ("d", "")}, inputs={"learning_rate": ("c", "")}),
        replace(PARTS, policy={"stored forms": "2"}),
        replace(PARTS, policy={"stored forms": "1", "variable MODE": "x"}),
    ]
    assert len({key_of(parts) for parts in variants}) == len(variants)
    shown = replace(PARTS, source="t", params={"learning_rate": ("c", "5e-2")}, inputs={"rows": ("d", "split.train")})
    assert key_of(shown) == key_of(PARTS)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"code": {"pipeline.py:train": "a", "features.py:clean": "B"}}, "code of features.py:clean changed"),
        ({"code": {**PARTS.code, "h.py:f": "x"}}, "code now reaches h.py:f"),
        ({"code": {"pipeline.py:train": "a"}}, "code no longer reaches features.py:clean"),
        ({"params": {"learning_rate": ("C", "0.1")}}, "param learning_rate 0.05 -> 0.1"),
        ({"params": {**PARTS.params, "trees": ("n", "50")}}, "param trees is new: 50"),
        ({"params": {}}, "param learning_rate is gone"),
        ({"inputs": {"rows": ("D", "flights")}}, "input flights changed"),
        ({"inputs": {}}, "input flights is gone"),
        ({"environment": {"python": "3.12", "polars": "2.1.0"}}, "python 3.11 -> 3.12"),
        ({"environment": {"python": "3.11"}}, "polars 2.1.0 -> unused"),
        ({"policy": {**PARTS.policy, "file conf/q.sql": "d"}}, "file conf/q.sql changed"),
        ({"function": "pipeline.py:fit"}, "the function is now pipeline.py:fit"),
        ({}, "the cached result is gone"),
        (
            {"params": {"learning_rate": ("C", "0.1")}, "inputs": {"rows": ("D", "flights")}},
            "param learning_rate 0.05 -> 0.1; input flights changed",
        ),
    ],
)
def test_why_names_what_changed(change: dict[str, object], expected: str) -> None:
    assert why(replace(PARTS, **change), PARTS) == expected


def test_why_of_the_first_run_and_of_many_changes() -> None:
    assert why(PARTS, None) == "first run"
    many = replace(PARTS, params={f"p{number}": ("x", "1") for number in range(9)})
    assert why(many, PARTS).endswith("; and 6 more")


def raised(*, transient: bool) -> Raised:
    return Raised(kind="X", message="", transient=transient, file="", line=None, error=None)


DONE = Done(step_run=StepRun(step="x", outcome="ran", why="first run"), outputs=())


@pytest.mark.parametrize(
    ("outcome", "attempt", "retries", "delay"),
    [
        (raised(transient=False), 1, 5, None),
        (raised(transient=True), 1, 0, None),
        (raised(transient=True), 2, 2, 0.4),
        (TimedOut(seconds=1), 1, 1, 0.2),
        (TimedOut(seconds=1), 2, 1, None),
        (TooLarge(used=2, limit=1), 1, 5, None),
        (Died(how="killed by SIGKILL"), 1, 0, 0.2),
        (Died(how="killed by SIGKILL"), 2, 0, None),
        (Died(how="killed by SIGKILL"), 3, 3, 0.8),
        (TimedOut(seconds=1), 40, 99, 300.0),
        (DONE, 1, 3, None),
    ],
)
def test_only_what_another_attempt_may_mend_is_tried_again(
    outcome: Outcome, attempt: int, retries: int, delay: float | None
) -> None:
    found = retry_delay(outcome, attempt, Options(retries=retries, backoff=0.2), seed="key")
    if delay is None:
        assert found is None
    else:
        assert found is not None
        assert delay <= found <= 1.25 * delay
        assert retry_delay(outcome, attempt, Options(retries=retries, backoff=0.2), seed="key") == found
