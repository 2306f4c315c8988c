"""What users write: steps, pipelines and the candidate that a pipeline returns."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from detent.errors import ProjectError
from detent.pipeline.refs import caller_place

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a training pipeline returns: a model and the rows it was trained and is to be judged on."""

    model: Any  # detent.training.Model
    train: Any  # polars.DataFrame: features and label
    evaluation: Any  # polars.DataFrame: features and label of later rows


class Drawing(Protocol):
    """Whoever writes down the steps that a pipeline's body calls."""

    def add(self, step: Step[Any, Any], args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Note a call and return what stands for its result."""
        ...


# The drawing of the pipeline whose body runs just now; None outside a body, where steps are plain functions.
drawing: ContextVar[Drawing | None] = ContextVar("drawing", default=None)


class Step(Generic[P, R]):
    """A function that a pipeline may run in another process and whose result is kept."""

    def __init__(self, function: Callable[P, R], *, retries: int = 0, timeout: float | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.retries = retries
        self.timeout = timeout

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function; inside a pipeline's body, note the call and return a promise of its result."""
        current = drawing.get()
        if current is None:
            return self.function(*args, **kwargs)
        return cast("R", current.add(self, args, kwargs))


class Pipeline(Generic[P, R]):
    """A function whose body wires steps. Called directly, it runs them in this process without a cache."""

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(*, retries: int = 0, timeout: float | None = None) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[P, R] | None = None, /, *, retries: int = 0, timeout: float | None = None
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a step: `@step` or `@step(retries=2, timeout=600)`.

    `timeout` is in seconds of one attempt. `retries` counts further attempts after a timeout, a lost connection or the
    death of the process (which is retried once in any case). An error in the step's own code is never retried.

    Raises:
        ProjectError: `retries` or `timeout` is no sensible number.
    """
    if retries < 0 or (timeout is not None and timeout <= 0):
        raise ProjectError(
            what="a step's limits are not right",
            why=f"retries is {retries} and timeout is {timeout}",
            fix="give retries >= 0, and a timeout in seconds above 0",
            where=caller_place(),
        )
    if function is None:
        return lambda wrapped: Step(wrapped, retries=retries, timeout=timeout)
    return Step(function)


def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]:
    """Make a function a pipeline. Its parameters are datasets by name, and params of `detent.yaml`."""
    return Pipeline(function)
