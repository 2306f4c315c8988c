"""Notes what a pipeline's body calls: one node per call of a step."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from detent.errors import Place, ProjectError
from detent.pipeline.authoring import Step
from detent.pipeline.nodes import RESULT, Condition, Node, Port, RecordPort
from detent.pipeline.refs import Ref, caller_place, ref_parts


class Sketch:
    """The drawing of one pipeline: nodes in the order of the calls."""

    def __init__(self, folder: Path | None, inputs: Iterable[str]) -> None:
        self.nodes: list[Node] = []
        self._folder = None if folder is None else folder.resolve()
        self._calls = dict.fromkeys(inputs, 1)  # by name: a step that is called like a dataset gets another one
        self._conditions: list[Condition] = []

    def add(
        self, step: Step[Any, Any], args: tuple[object, ...], kwargs: dict[str, object], over: dict[str, object]
    ) -> Ref:
        """Note a call and return the promise of its result."""
        function = step.function
        name = function.__name__
        self._calls[name] = self._calls.get(name, 0) + 1
        if self._calls[name] > 1:
            name = f"{name}-{self._calls[name]}"
        module, attribute = _address(step)
        record = _record_type(function)
        fields = () if record is None else _fields(record)
        arguments = _bind(step, args, {**kwargs, **over})
        self.nodes.append(
            Node(
                name=name,
                module=module,
                attribute=attribute,
                file=self._file(module),
                arguments=tuple(sorted((key, plain_argument(value)) for key, value in arguments if key not in over)),
                over=tuple(sorted((key, _items(step, key, value)) for key, value in arguments if key in over)),
                conditions=tuple(self._conditions),
                outputs=fields or (RESULT,),
                record=record is not None,
                options=step.options,
            )
        )
        if record is None:
            return Ref(name, RESULT)
        return Ref(name, "", fields, f"{record.__module__}:{record.__qualname__}")

    @contextlib.contextmanager
    def condition(self, flag: object, equals: object) -> Iterator[None]:
        """Put a condition on every call in the block."""
        port = plain_argument(flag)
        if not isinstance(port, Port) or type(equals) not in (bool, int, float, str, type(None)):
            raise ProjectError(
                what="`when` needs the output of a step, and a plain value to compare it with",
                why=f"it got {flag!r} and {equals!r}",
                fix="write `if` for values known already; give one output, and equals a number, a text or a bool",
                where=caller_place(),
            )
        self._conditions.append(Condition(port, equals))
        try:
            yield
        finally:
            self._conditions.pop()

    def _file(self, module: str) -> str:
        path = Path(str(getattr(sys.modules[module], "__file__", None) or "")).resolve()
        inside = self._folder is not None and path.is_relative_to(self._folder)
        return path.relative_to(self._folder).as_posix() if inside else ""  # pyright: ignore[reportArgumentType]


def _bind(step: Step[Any, Any], args: tuple[object, ...], kwargs: dict[str, object]) -> list[tuple[str, object]]:
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
    return list(bound.arguments.items())


def _items(step: Step[Any, Any], name: str, value: object) -> object:
    """Return what a fan-out goes over: a port whose value will be a list, or the list itself."""
    plain = plain_argument(list(value) if isinstance(value, range) else value)
    if isinstance(plain, Port | list):
        return plain
    if isinstance(plain, tuple):
        return list(plain)
    raise ProjectError(
        what=f"`{step.function.__name__}.map({name}=...)` got no list",
        why=f"it is {value!r}",
        fix="give a list, a range, or the output of a step that returns a list",
        where=caller_place(),
    )


def plain_argument(value: object) -> object:
    """Return the value with every promise inside lists, tuples and dicts written as a port."""
    if isinstance(value, Ref):
        source, output, fields, record = ref_parts(value)
        if fields and not output:
            return RecordPort(record, tuple((field, Port(source, field)) for field in fields))
        return Port(source, output)
    if type(value) is list:
        return [plain_argument(item) for item in value]
    if type(value) is tuple:
        return tuple(plain_argument(item) for item in value)
    if type(value) is dict:
        return {key: plain_argument(item) for key, item in value.items()}
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
