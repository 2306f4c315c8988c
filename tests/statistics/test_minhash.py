from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.minhash import bucket_pairs, candidates, distinct, fold, jaccard, signatures, similarity


def sets(alike: float, count: int, size: int = 100) -> tuple[list[np.ndarray], list[float]]:
    """Pairs of sets of random tokens with about the given share in common, one after the other."""
    random = np.random.default_rng(5)
    made, shares = [], []
    for _ in range(count):
        common = round(2 * size * alike / (1 + alike))
        tokens = random.choice(2**62, size=2 * size - common, replace=False).astype(np.uint64)
        one, other = tokens[:size], np.concatenate([tokens[:common], tokens[size:]])
        made += [np.sort(one), np.sort(other)]
        shares.append(common / (2 * size - common))
    return made, shares


def signed(many: list[np.ndarray]) -> np.ndarray:
    starts = np.cumsum([0, *(one.size for one in many)])[:-1]
    return signatures(np.concatenate(many), starts)


@pytest.mark.parametrize("alike", [0.3, 0.5, 0.8, 1.0])
def test_equal_minima_estimate_the_share_in_common(alike: float) -> None:
    many, shares = sets(alike, 200)
    pairs = np.arange(400).reshape(-1, 2)
    estimated = similarity(signed(many), pairs)
    assert estimated.mean() == pytest.approx(np.mean(shares), abs=0.03)
    assert [jaccard(many[a], many[b]) for a, b in pairs] == pytest.approx(shares)


def test_near_equal_sets_meet_and_unlike_ones_hardly_ever() -> None:
    for alike, low, high in ((0.95, 0.99, 1.0), (0.8, 0.95, 1.0), (0.3, 0.0, 0.12)):
        many, _ = sets(alike, 200)
        found, complete = candidates(signed(many))
        assert complete
        met = {(a, b) for a, b in found.tolist()}
        partners = sum((2 * index, 2 * index + 1) in met for index in range(200))
        assert low <= partners / 200 <= high
        assert len(met) - partners <= 3


def test_rows_of_a_bucket_are_paired_and_of_a_large_one_the_most_alike() -> None:
    keys = np.array([7, 1, 7, 2, 7], dtype=np.uint64)
    pairs, complete = bucket_pairs(keys)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 2), (0, 4), (2, 4)]
    assert complete
    alike = np.random.default_rng(1).permutation(1_000)
    pairs, complete = bucket_pairs(np.ones(1_000, dtype=np.uint64), alike[:, None])
    assert not complete
    assert len(pairs) == 10 * 1_000 - 55
    assert np.abs(alike[pairs[:, 0]] - alike[pairs[:, 1]]).max() == 10
    assert bucket_pairs(np.empty(0, dtype=np.uint64))[0].shape == (0, 2)


def test_the_hash_of_columns_depends_on_each_and_on_their_order() -> None:
    rows = np.array([[1, 2], [2, 1], [1, 2], [1, 3]], dtype=np.int64)
    hashes = fold(rows)
    assert hashes[0] == hashes[2]
    assert len(set(hashes.tolist())) == 3


def test_distinct_pairs_are_sorted_and_stand_once() -> None:
    assert distinct(np.array([[3, 5], [0, 2], [3, 5]])).tolist() == [[0, 2], [3, 5]]
    assert distinct(np.empty((0, 2), dtype=np.int64)).shape == (0, 2)
