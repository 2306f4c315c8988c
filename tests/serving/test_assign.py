from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detent.records.route import Arm, Route
from detent.serving.assign import bucket, choose, propensity


def route(*weights: int, salt: str = "r1") -> Route:
    arms = tuple(Arm(version=number + 1, weight=weight) for number, weight in enumerate(weights))
    return Route(
        endpoint="e", model="m", seq=1, arms=arms, shadows=(), fallback=None, loaded=(), salt=salt
    )  # fmt: skip


@given(st.text(), st.integers(0, 10_000), st.integers(0, 10_000))
def test_an_entity_in_the_candidate_stays_when_its_weight_grows(entity: str, one: int, other: int) -> None:
    small, large = sorted((one, other))
    if choose(route(10_000 - small, small), entity).version == 2:
        assert choose(route(10_000 - large, large), entity).version == 2


@given(st.text(), st.text())
def test_a_bucket_lies_in_its_range_and_is_always_the_same(salt: str, entity: str) -> None:
    assert 0 <= bucket(salt, entity) < 10_000
    assert bucket(salt, entity) == bucket(salt, entity)


@given(st.text(), st.integers(0, 10_000))
def test_the_last_arm_takes_the_low_buckets(entity: str, weight: int) -> None:
    expected = 2 if bucket("r1", entity) < weight else 1
    assert choose(route(10_000 - weight, weight), entity).version == expected


def test_the_share_of_entities_is_the_weight() -> None:
    weighted = route(7_000, 2_500, 500)
    counts = [0, 0, 0]
    for number in range(20_000):
        counts[choose(weighted, f"caller-{number}").version - 1] += 1
    assert [round(count / 20_000, 2) for count in counts] in ([0.7, 0.25, 0.05], [0.7, 0.25, 0.06], [0.7, 0.26, 0.05])


def test_two_salts_choose_independently() -> None:
    both = sum(bucket("a", str(n)) < 5_000 and bucket("b", str(n)) < 5_000 for n in range(20_000))
    assert 0.23 < both / 20_000 < 0.27


def test_an_arm_without_weight_is_never_chosen() -> None:
    assert {choose(route(10_000, 0), str(n)).version for n in range(1_000)} == {1}
    assert {choose(route(0, 10_000), str(n)).version for n in range(1_000)} == {2}


def test_the_propensity_is_the_weight() -> None:
    assert propensity(Arm(version=1, weight=500)) == 0.05
