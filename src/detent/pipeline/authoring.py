"""What users write: steps, pipelines, conditions, and the candidate that a training pipeline returns."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from detent.errors import ProjectError
from detent.pipeline.options import Given, Options, check_options
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

    def add(
        self, step: Step[Any, Any], args: tuple[object, ...], kwargs: dict[str, object], over: dict[str, object]
    ) -> object:
        """Note a call, once per item of the lists in `over` when there are any; return what stands for its result."""
        ...

    def condition(self, flag: object, equals: object) -> contextlib.AbstractContextManager[None]:
        """Note that the calls in the block belong to a condition."""
        ...


# The drawing of the pipeline whose body runs just now; None outside a body, where steps are plain functions.
drawing: ContextVar[Drawing | None] = ContextVar("drawing", default=None)


class Step(Generic[P, R]):
    """A function that a pipeline may run in another process and whose result is kept."""

    def __init__(
        self, function: Callable[P, R], *, options: Options, retry_on: tuple[type[Exception], ...] = ()
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self.retry_on = retry_on

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function; inside a pipeline's body, note the call and return a promise of its result."""
        current = drawing.get()
        if current is None:
            return self.function(*args, **kwargs)
        return cast("R", current.add(self, args, kwargs, {}))

    def map(self, **over: object) -> Callable[..., list[R]]:
        """Call the step once per item: `train.map(fold=folds)(rows, rate=0.1)` gives a list, in the order of `folds`.

        The list may be known only at run time (the output of a step). Several lists are taken side by side, so they
        must be of one length. Each call is a result of its own: one more item runs one more call.

        Raises:
            ProjectError: no list is given.
        """
        if not over:
            raise ProjectError(
                what=f"`{self.function.__name__}.map()` has nothing to go over",
                why="a fan-out calls the step once per item of a list",
                fix=f"name the parameter and the list: {self.function.__name__}.map(part=parts)(...)",
                where=caller_place(),
            )

        def call(*args: object, **kwargs: object) -> list[R]:
            current = drawing.get()
            if current is not None:
                return cast("list[R]", current.add(self, args, kwargs, over))
            names, lists = list(over), [cast("list[object]", values) for values in over.values()]
            function = cast("Callable[..., R]", self.function)
            return [
                function(*args, **kwargs, **dict(zip(names, items, strict=True))) for items in zip(*lists, strict=True)
            ]

        return call


class Pipeline(Generic[P, R]):
    """A function whose body wires steps. Called directly, it runs them in this process without a cache."""

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)


@contextlib.contextmanager
def when(flag: object, *, equals: object = True) -> Iterator[None]:
    """Run the steps that are called in the block only when a step's output has a value: `with when(is_large): ...`.

    Without a condition met they are skipped, and so is every step that needs one of them.

    Raises:
        ProjectError: used outside a pipeline's body, where `if` does it.
    """
    current = drawing.get()
    if current is None:
        raise ProjectError(
            what="`when` stands outside a pipeline's body",
            why="there are real values here, so nothing has to wait for one",
            fix="write `if ...:`, or mark the function with @pipeline and run it with `detent run`",
            where=caller_place(),
        )
    with current.condition(flag, equals):
        yield


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(**given: Unpack[Given]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[P, R] | None = None, /, **given: Unpack[Given]
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a step: `@step` or `@step(retries=2, timeout="30m", memory="4Gi", env=["MODE"])`.

    `detent.pipeline.options.Given` lists what may be said. An error in the step's own code is never retried unless
    `retry_on` names it; the death of the process is retried once in any case.

    Raises:
        ProjectError: an option is unknown or makes no sense.
    """
    options = check_options(given, caller_place())
    retry_on = tuple(given.get("retry_on", ()))
    if function is None:
        return lambda wrapped: Step(wrapped, options=options, retry_on=retry_on)
    return Step(function, options=options, retry_on=retry_on)


def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]:
    """Make a function a pipeline. Its parameters are datasets by name, and params of `detent.yaml`."""
    return Pipeline(function)
