"""A pipeline's body, run once with promises instead of values -> a graph of steps. Pure: no step runs."""

from __future__ import annotations

import dataclasses
import inspect
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detent.errors import DetentError, Place, ProjectError, did_you_mean
from detent.pipeline.authoring import Candidate, Pipeline, Step, drawing
from detent.pipeline.failure import said
from detent.pipeline.nodes import RESULT, Graph, Port
from detent.pipeline.refs import Ref, ref_parts
from detent.pipeline.sketch import Sketch, plain_argument


def build(
    function: Callable[..., Any], *, inputs: Sequence[str], params: Mapping[str, object], folder: Path | None = None
) -> Graph:
    """Return the graph that a pipeline's body wires; `folder` is the project, whose files are named relative to it.

    Each parameter of the function is a dataset of `inputs`, a param, or has a default value. It returns a Candidate, a
    mapping of names to outputs, or one output (then its name is "result").

    Raises:
        ProjectError: a parameter is neither, a param is taken by no parameter, a step can't be imported by its name, a
            call does not fit a step's parameters, or the body uses a promise as if it were a value.
    """
    if isinstance(function, Step):
        raise ProjectError(
            what=f"`{function.function.__name__}` is a step, not a pipeline",
            why="a pipeline is a function whose body calls steps",
            fix="name the function that is marked with @pipeline",
        )
    body = function.function if isinstance(function, Pipeline) else function
    arguments = _bind(body, inputs, params)
    sketch = Sketch(folder, inputs)
    token = drawing.set(sketch)
    try:
        returned = body(**arguments)
    except DetentError:
        raise
    except (Exception, SystemExit) as error:
        raise _body_error(body, error) from error
    finally:
        drawing.reset(token)
    return Graph(
        name=body.__name__,
        module=body.__module__,
        attribute=body.__qualname__,
        inputs=tuple(name for name in arguments if name in inputs),
        nodes=tuple(sketch.nodes),
        results=tuple(sorted(_results(returned, body.__name__).items())),
    )


def _body_error(body: Callable[..., Any], error: BaseException) -> ProjectError:
    file = body.__code__.co_filename
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return ProjectError(
        what=f"the body of pipeline `{body.__name__}` failed",
        why=f"{type(error).__name__}: {said(error)}",
        fix="mend the line below; a body only wires steps, so whatever may fail belongs into one",
        where=Place(file=file, line=lines[-1] if lines else body.__code__.co_firstlineno),
    )


def _bind(body: Callable[..., Any], inputs: Sequence[str], params: Mapping[str, object]) -> dict[str, object]:
    signature = inspect.signature(body)
    place = Place(file=body.__code__.co_filename, line=body.__code__.co_firstlineno)
    for name in params:
        if name not in signature.parameters:
            raise ProjectError(
                what=f"param `{name}` is taken by no parameter of `{body.__name__}`",
                why="params of detent.yaml are passed to the pipeline by name",
                fix=did_you_mean(name, [known for known in signature.parameters if known not in inputs]),
                where=place,
            )
        if name in inputs:
            raise ProjectError(
                what=f"`{name}` is a dataset and a param",
                why="a parameter of the pipeline can only be one of them",
                fix="rename the param",
                where=place,
            )
    bound: dict[str, object] = {}
    for name, parameter in signature.parameters.items():
        if name in inputs:
            bound[name] = Ref(name, "")
        elif name in params:
            bound[name] = params[name]
        elif parameter.default is parameter.empty:
            raise ProjectError(
                what=f"parameter `{name}` of `{body.__name__}` has no value",
                why="it is neither a dataset nor a param, and it has no default",
                fix=did_you_mean(name, sorted({*inputs, *params})) + f" Or add `{name}` to `params` in detent.yaml.",
                where=place,
            )
    return bound


def _results(returned: object, name: str) -> dict[str, Port]:
    if isinstance(returned, Candidate):
        named: dict[str, object] = {field.name: getattr(returned, field.name) for field in dataclasses.fields(returned)}
    elif isinstance(returned, dict):
        named = {str(key): value for key, value in returned.items()}
    elif isinstance(returned, Ref):
        source, output, fields, _ = ref_parts(returned)
        named = {field: Ref(source, field) for field in fields} if fields and not output else {RESULT: returned}
    else:
        named = {}
    ports = {key: plain_argument(value) for key, value in named.items()}
    if not ports or not all(isinstance(port, Port) for port in ports.values()):
        wrong = next((key for key, port in ports.items() if not isinstance(port, Port)), None)
        raise ProjectError(
            what=f"pipeline `{name}` returns no outputs of steps" + (f" (`{wrong}`)" if wrong else ""),
            why="only what steps made is stored, so only that can be returned",
            fix="return Candidate(model=..., train=..., evaluation=...), or the output of a step; if a step has "
            "several outputs, return its fields",
        )
    return typing.cast("dict[str, Port]", ports)
