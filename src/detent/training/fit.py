"""The verbs that a pipeline's steps call. The library behind each is imported when it is first used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detent import plugins
from detent.training.model import Model

if TYPE_CHECKING:
    import polars as pl
    from sklearn.base import BaseEstimator


def lightgbm(
    frame: pl.DataFrame,
    *,
    label: str,
    exclude: Sequence[str] = (),
    task: str = "binary",
    seed: int = 0,
    **params: object,
) -> Model:
    """Train gradient boosted trees on every column but `label` and `exclude`, and export them as one graph.

    With `task="multiclass"` the label is text (or whole numbers), and the model gives a probability per class. Strings
    become the smoothed mean of the label in their category (inside the graph), of classes one mean per class. `params`
    are LightGBM's own, such as `learning_rate=0.05, num_iterations=200`. The same frame, parameters and seed give the
    same bytes.

    Raises:
        DataError: the frame can't be trained on; the message names the column and the fix.
        StepError: the exported graph does not give the scores of the native model.
    """
    fit = plugins.load("trainer", "lightgbm")
    return fit(frame, label=label, exclude=exclude, task=task, seed=seed, params=params)


def sklearn(
    frame: pl.DataFrame, *, estimator: BaseEstimator, label: str, exclude: Sequence[str] = (), seed: int = 0
) -> Model:
    """Fit any scikit-learn classifier or regressor on every column but `label` and `exclude`, and export one graph.

    Numbers are imputed with their mean and scaled, strings become one column per frequent category. The estimator is
    cloned; its open `random_state`s are set to `seed`. A classifier learns 0 and 1, or several classes whose names are
    text.

    Raises:
        DataError: the frame can't be trained on, or the estimator can't be exported.
        StepError: the exported graph does not give the scores of the native model.
    """
    return plugins.load("trainer", "sklearn")(frame, estimator=estimator, label=label, exclude=exclude, seed=seed)
