"""Classes are brought together by their names, whatever order a model or the log has them in."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.loop.classes import in_order, logged_losses, logged_scores, logged_truth, require_output, truth_of
from detent.records.project import Target
from detent.records.signature import Signature
from detent.store.classes import class_number

ABC = ("a", "b", "c")
SEVERAL = Target(data="d", column="y", known_at=None, task="multiclass", classes=ABC)
ONE = Target(data="d", column="y", known_at=None, task="binary")


def output(*classes: str) -> Signature:
    return Signature(inputs=(), output="probabilities" if classes else "probability", classes=classes)


def test_columns_follow_the_names_and_a_class_that_was_never_seen_has_nothing() -> None:
    score = np.array([[0.1, 0.9], [0.7, 0.3]])
    assert in_order(score, ("c", "a"), ABC).tolist() == [[0.9, 0.0, 0.1], [0.3, 0.0, 0.7]]
    assert in_order(score, ("a", "b"), ("a", "b")) is score


def test_labels_become_places_and_unknown_ones_nothing() -> None:
    assert truth_of(pl.Series(["c", "a", None, "x"]), ABC).tolist()[:2] == [2.0, 0.0]
    assert np.isnan(truth_of(pl.Series(["c", "a", None, "x"]), ABC)[2:]).all()
    assert truth_of(pl.Series([1, 0])).tolist() == [1.0, 0.0]
    stored = pl.Series([class_number("b"), None, 1.0])
    assert logged_truth(stored, ABC)[0] == 1.0
    assert np.isnan(logged_truth(stored, ABC)[1:]).all()


def test_logged_probabilities_of_another_width_are_none() -> None:
    logged = pl.Series([[0.2, 0.8], None, [1.0]], dtype=pl.List(pl.Float64))
    found = logged_scores(logged, ("c", "a"), ABC)
    assert found[0].tolist() == [0.8, 0.0, 0.2]
    assert np.isnan(found[1:]).all()


def test_losses_of_versions_with_other_classes_are_over_the_same_ones() -> None:
    rows = pl.DataFrame(
        {
            "version": [1, 2, 2, 1],
            "scores": [[0.5, 0.5], [0.0, 0.5, 0.5], None, [1.0, 0.0]],
            "label": [class_number("b"), class_number("b"), class_number("a"), None],
        }
    )
    found = logged_losses(rows, {1: ("a", "b"), 2: ABC}, ABC)
    assert found.to_list() == [pytest.approx(0.25), pytest.approx(0.25), None, None]


def test_a_model_of_another_kind_or_of_undeclared_classes_is_refused() -> None:
    require_output(SEVERAL, output("a", "c"))
    require_output(ONE, output())
    for target, signature, told in (
        (SEVERAL, output(), "does not fit a multiclass task"),
        (ONE, output(*ABC), "does not fit a binary task"),
        (SEVERAL, output("a", "b", "z"), "knows the class `z`"),
    ):
        with pytest.raises(ProjectError) as caught:
            require_output(target, signature)
        assert told in caught.value.what
