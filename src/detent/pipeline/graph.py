"""A pipeline's body, run once with promises instead of values -> a graph of steps. Pure: nothing runs, nothing is read."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detent.errors import Place, ProjectError, did_you_mean
from detent.pipeline.authoring import Candidate, Pipeline, Step, drawing
from detent.pipeline.refs import Ref, caller_place, ref_parts

RESULT = "result"  # name of the only output of a step that returns one value


@dataclass(frozen=True, slots=True)
class Port:
    """A place where a value will come out."""

    source: str  # name of a step or of an input of the pipeline
    output: str  # name of the step's output; "" for an input

    def __str__(self) -> str:
        return self.source if self.output in ("", RESULT) else f"{self.source}.{self.output}"


@dataclass(frozen=True, slots=True)
class RecordPort:
    """A whole NamedTuple or dataclass that a step returned, as an argument of another one."""

    type: str  # "module:class"
    fields: tuple[tuple[str, Port], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One call of a step."""

    name: str  # the function's name, with -2, -3 ... for further calls
    module: str  # Python module that holds the step
    attribute: str  # its name there
    file: str  # absolute path of the module
    arguments: tuple[tuple[str, object], ...]  # by parameter, sorted; values with Port and RecordPort as leaves
    outputs: tuple[str, ...]
    record: bool  # True: the step returns a NamedTuple or dataclass whose fields are the outputs
    retries: int
    timeout: float | None  # seconds

    @property
    def upstream(self) -> tuple[Port, ...]:
        """Every port that its arguments need."""
        return tuple(port for _, value in self.arguments for port in ports_in(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A pipeline: steps in an order in which each stands after all that it needs."""

    name: str  # the pipeline function's name
    module: str
    attribute: str
    inputs: tuple[str, ...]  # datasets that it takes
    nodes: tuple[Node, ...]
    results: tuple[tuple[str, Port], ...]  # what the pipeline returns, by name


def build(function: Callable[..., Any], *, inputs: Sequence[str], params: Mapping[str, object]) -> Graph:
    """Return the graph that a pipeline's body wires.

    Each parameter of the function is a dataset of `inputs`, a param, or has a default value. It returns a Candidate, a
    mapping of names to outputs, or one output (then its name is "result").

    Raises:
        ProjectError: a parameter is neither, a param is taken by no parameter, a step can't be imported by its name, a
            call does not fit a step's parameters, or the body uses a promise as if it were a value.
    """
    if isinstance(function, Step):
        raise ProjectError(
            what=f"`{function.__name__}` is a step, not a pipeline",
            why="a pipeline is a function whose body calls steps",
            fix="name the function that is marked with @pipeline",
        )
    body = function.function if isinstance(function, Pipeline) else function
    arguments = _bind(body, inputs, params)
    sketch = _Sketch()
    token = drawing.set(sketch)
    try:
        returned = body(**arguments)
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


def ports_in(value: object) -> tuple[Port, ...]:
    """Return the ports inside an argument, in order."""
    if isinstance(value, Port):
        return (value,)
    if isinstance(value, RecordPort):
        return tuple(port for _, port in value.fields)
    if isinstance(value, dict):
        return tuple(port for item in value.values() for port in ports_in(item))
    if isinstance(value, list | tuple):
        return tuple(port for item in value for port in ports_in(item))
    return ()


def replace_ports(value: object, change: Callable[[Port | RecordPort], object]) -> object:
    """Return an argument with `change` applied to its leaves that are ports."""
    if isinstance(value, Port | RecordPort):
        return change(value)
    if isinstance(value, dict):
        return {key: replace_ports(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replace_ports(item, change) for item in value)
    return value


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


class _Sketch:
    """The drawing of one pipeline: nodes in the order of the calls."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._calls: dict[str, int] = {}

    def add(self, step: Step[Any, Any], args: tuple[object, ...], kwargs: dict[str, object]) -> Ref:
        function = step.function
        name = function.__name__
        self._calls[name] = self._calls.get(name, 0) + 1
        if self._calls[name] > 1:
            name = f"{name}-{self._calls[name]}"
        module, attribute = _address(step)
        record = _record_type(function)
        fields = () if record is None else _fields(record)
        self.nodes.append(
            Node(
                name=name,
                module=module,
                attribute=attribute,
                file=str(getattr(sys.modules[module], "__file__", "")),
                arguments=_arguments(step, args, kwargs),
                outputs=fields or (RESULT,),
                record=record is not None,
                retries=step.retries,
                timeout=step.timeout,
            )
        )
        if record is None:
            return Ref(name, RESULT)
        return Ref(name, "", fields, f"{record.__module__}:{record.__qualname__}")


def _arguments(
    step: Step[Any, Any], args: tuple[object, ...], kwargs: dict[str, object]
) -> tuple[tuple[str, object], ...]:
    try:
        bound = inspect.signature(step.function).bind(*args, **kwargs)
    except TypeError as error:
        raise ProjectError(
            what=f"the call of step `{step.function.__name__}` does not fit",
            why=str(error),
            fix=f"call it as {step.function.__name__}{inspect.signature(step.function)}",
            where=caller_place(),
        ) from error
    for parameter in bound.signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ProjectError(
                what=f"parameter `{parameter.name}` of step `{step.function.__name__}` has no fixed name",
                why="arguments are stored and compared by name",
                fix="name each parameter; pass a list or a dict for a varying number",
                where=caller_place(),
            )
    return tuple(sorted((name, _plain(value)) for name, value in bound.arguments.items()))


def _plain(value: object) -> object:
    """Return the value with every promise inside lists, tuples and dicts written as a port."""
    if isinstance(value, Ref):
        source, output, fields, record = ref_parts(value)
        if fields and not output:
            return RecordPort(record, tuple((field, Port(source, field)) for field in fields))
        return Port(source, output)
    if type(value) in (list, tuple):
        return type(value)(_plain(item) for item in typing.cast("list[object]", value))
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    return value


def _address(step: Step[Any, Any]) -> tuple[str, str]:
    """Return the (module, name) under which another process finds the step."""
    function = step.function
    module = sys.modules.get(function.__module__)
    if module is not None and getattr(module, function.__name__, None) is step:
        return function.__module__, function.__name__
    # Made by a factory: find the name it was given.
    for name, candidate in list(sys.modules.items()):
        for attribute, value in list(getattr(candidate, "__dict__", {}).items()):
            if value is step and name != "__main__":
                return name, attribute
    raise ProjectError(
        what=f"step `{function.__qualname__}` can't be found by other processes",
        why="it is no top-level name of a module, or that module is the script that was started",
        fix="define it with @step at the top level of a file of the project, or give it a name there",
        where=Place(file=function.__code__.co_filename, line=function.__code__.co_firstlineno),
    )


def _record_type(function: Callable[..., Any]) -> type | None:
    """Return the NamedTuple or dataclass that a step is annotated to return; None for any other value."""
    annotation = getattr(function, "__annotations__", {}).get("return")
    holder = types.SimpleNamespace(__annotations__={"return": annotation})
    try:
        kind = typing.get_type_hints(holder, function.__globals__).get("return")
    except (NameError, AttributeError, TypeError, SyntaxError):
        return None  # a name that exists for type checkers only: the value decides later how it is stored
    if not isinstance(kind, type) or (hasattr(kind, "save") and hasattr(kind, "load")):
        return None
    if not dataclasses.is_dataclass(kind) and not (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return None
    if "<locals>" in kind.__qualname__:
        raise ProjectError(
            what=f"step `{function.__name__}` returns a class that other processes can't find",
            why=f"`{kind.__qualname__}` is defined inside a function",
            fix="define the class at the top level of a file of the project",
            where=Place(file=function.__code__.co_filename, line=function.__code__.co_firstlineno),
        )
    return kind


def _fields(record: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(record):
        return tuple(field.name for field in dataclasses.fields(record) if field.init)
    return tuple(getattr(record, "_fields", ()))


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
    ports = {key: _plain(value) for key, value in named.items()}
    if not ports or not all(isinstance(port, Port) for port in ports.values()):
        wrong = next((key for key, port in ports.items() if not isinstance(port, Port)), None)
        raise ProjectError(
            what=f"pipeline `{name}` returns no outputs of steps" + (f" (`{wrong}`)" if wrong else ""),
            why="only what steps made is stored, so only that can be returned",
            fix="return Candidate(model=..., train=..., evaluation=...), or the output of a step",
        )
    return typing.cast("dict[str, Port]", ports)
