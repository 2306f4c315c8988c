from __future__ import annotations

import numpy as np
import polars as pl

from detent.training.encode import MAX_LEVELS, SMOOTHING, encode_target


def test_a_category_is_its_mean_drawn_towards_all_rows() -> None:
    texts, y = pl.Series(["a"] * 60 + ["b"] * 40), np.array([1.0] * 60 + [0.0] * 40)
    _, encoding = encode_target(texts, y)
    assert encoding.levels == ("a", "b")
    np.testing.assert_allclose(
        encoding.values, [(60 + SMOOTHING * 0.6) / (60 + SMOOTHING), SMOOTHING * 0.6 / (40 + SMOOTHING)], rtol=1e-6
    )
    np.testing.assert_allclose(encoding.apply(pl.Series(["z"])), 0.6, rtol=1e-6)


def test_null_is_a_category_when_training_saw_it_and_unknown_otherwise() -> None:
    y = np.array([0.0, 1.0] * 50)
    _, seen = encode_target(pl.Series([None, "a"] * 50), y)
    assert seen.apply(pl.Series([None], dtype=pl.String))[0] < 0.3
    _, unseen = encode_target(pl.Series(["a", "b"] * 50), y)
    assert unseen.apply(pl.Series([None], dtype=pl.String))[0] == np.float32(0.5)


def test_a_training_row_never_sees_its_own_label() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000).astype(float)
    keys = pl.Series([f"k{row // 2}" for row in range(2000)])  # two rows each: their own label would give much away
    column, _ = encode_target(keys, y)
    assert abs(np.corrcoef(column, y)[0, 1]) < 0.1


def test_a_key_column_does_not_make_a_table_of_its_size() -> None:
    count = MAX_LEVELS + 500
    texts = pl.Series([f"k{row}" for row in range(count)] + ["often"] * 10)
    _, encoding = encode_target(texts, np.arange(count + 10) % 2.0)
    assert len(encoding.levels) == MAX_LEVELS
    assert "often" in encoding.levels
