"""YAML with positions: every value knows its line and column, so that every error can name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml

from detent.errors import Place, ProjectError, did_you_mean
from detent.project.durations import parse_duration

T = TypeVar("T")


class Value:
    """One YAML value with its place."""

    def __init__(self, node: yaml.Node, file: str, key: str) -> None:
        self._node, self._file, self._key = node, file, key

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return self._node.start_mark.line + 1

    @property
    def key(self) -> str:
        """Dotted key, such as `rollout.stages[1]`."""
        return self._key

    def place(self, offset: int = 0) -> Place:
        """Where the value stands; `offset` moves right inside it."""
        mark = self._node.start_mark
        return Place(file=self._file, line=mark.line + 1, column=mark.column + 1 + offset, field=self._key)

    def error(self, why: str, fix: str, *, what: str | None = None, offset: int = 0) -> ProjectError:
        """Build the error that points here."""
        return ProjectError(what=what or f"`{self._key}` is not right", why=why, fix=fix, where=self.place(offset))

    def plain(self) -> Any:
        """Return the value as ordinary Python: str, int, float, bool, None, list or dict.

        Raises:
            ProjectError: a YAML tag asks for anything else.
        """
        try:
            return yaml.SafeLoader("").construct_document(self._node)
        except yaml.YAMLError as error:
            raise self.error(
                f"YAML can't build it: {getattr(error, 'problem', error)}",
                "use plain text, numbers, lists and mappings",
            ) from error

    def text(self) -> str:
        """Return a non-empty text."""
        value = self.plain()
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"a text is needed, and it is {_kind(value)}", "write a text, in quotes if need be")
        return value

    def number(self, *, low: float | None = None, high: float | None = None) -> float:
        """Return a number between low and high."""
        value = self.plain()
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(f"a number is needed, and it is {_kind(value)}", "write a number")
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.error(f"{value:g} is out of range", f"give a number {_range(low, high)}")
        return float(value)

    def whole(self, *, low: int | None = None, high: int | None = None) -> int:
        """Return a whole number between low and high."""
        value = self.number(low=low, high=high)
        if value != int(value):
            raise self.error(f"{value:g} is no whole number", "write a whole number")
        return int(value)

    def share(self) -> float:
        """Return a share above 0 and up to 1, written as a percentage or a number."""
        value = self.plain()
        if isinstance(value, str) and value.strip().endswith("%"):
            try:
                share = float(value.strip()[:-1]) / 100
            except ValueError:
                share = -1.0
        else:
            share = self.number()
        if not 0 < share <= 1:
            raise self.error(f"`{value}` is no share", "write more than 0% and up to 100%, such as 20%")
        return share

    def one_of(self, known: tuple[str, ...]) -> str:
        """Return one of some words."""
        value = self.text()
        if value not in known:
            raise self.error(f"`{value}` is not known here", did_you_mean(value, known))
        return value

    def code(self) -> str:
        """Return the name of Python code: `file.py:name`."""
        spec = self.text()
        file, colon, name = spec.partition(":")
        if not colon or not file.endswith(".py") or not name.isidentifier():
            raise self.error(f"`{spec}` does not name Python code", "write file.py:name, such as pipeline.py:retrain")
        return spec

    def duration(self) -> timedelta:
        """Return a length of time, such as `6h`; a number without its unit is a mistake."""
        value = self.plain()
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise self.error(f"`{value}` has no unit", f"write for example {value}s, {value}m, {value}h or {value}d")
        return self.parsed(parse_duration)

    def parsed(self, parse: Callable[[str], T]) -> T:
        """Return what a parser makes of the text; its ValueError becomes our error."""
        text = self.text()
        try:
            return parse(text)
        except ValueError as error:
            raise self.error(
                str(error), "mend the text at the place below", offset=getattr(error, "offset", 0)
            ) from error

    def items(self) -> list[Value]:
        """Return the values of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.error(f"a list is needed, and it is {_kind(self.plain())}", "write `- item` lines or [a, b]")
        return [Value(node, self._file, f"{self._key}[{position}]") for position, node in enumerate(self._node.value)]

    def section(self, known: tuple[str, ...] | None = None) -> Section:
        """Return the mapping under this value; `known` are the keys it may have (None: any)."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.error(
                f"keys with values are needed, and it is {_kind(self.plain())}",
                "write key: value" + (f"; known keys: {', '.join(known)}" if known else ""),
            )
        return Section(self, self._node, self._file, known)


class Section:
    """A mapping whose keys are known."""

    def __init__(self, owner: Value, node: yaml.MappingNode, file: str, known: tuple[str, ...] | None) -> None:
        self.owner = owner
        self._values: dict[str, Value] = {}
        prefix = f"{owner.key}." if owner.key else ""
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = Value(key_node, file, prefix + key)
            if known is not None and key not in known:
                raise here.error(f"`{key}` is no key of this section", did_you_mean(key, known), what="unknown key")
            if key in self._values:
                raise here.error(f"`{key}` stands here twice", "keep one of the two", what="repeated key")
            self._values[key] = Value(value_node, file, prefix + key)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Value | None:
        """Return a value or None."""
        return self._values.get(key)

    def need(self, key: str, example: str) -> Value:
        """Return a value that must be there."""
        if key not in self._values:
            raise self.owner.error(
                f"`{key}` is missing", f"add for example `{key}: {example}`", what="a key is missing"
            )
        return self._values[key]

    def read(self, key: str, read: Callable[[Value], T], default: T) -> T:
        """Return what `read` makes of a value, or the default when the key is absent or null."""
        value = self._values.get(key)
        return default if value is None or value.plain() is None else read(value)

    def entries(self) -> Iterator[tuple[str, Value]]:
        """Yield keys and values in the order of the file."""
        yield from self._values.items()


def read_key(section: Section | None, key: str, read: Callable[[Value], T], default: T) -> T:
    """Return what `read` makes of a value; the default when the key, or the section, is absent."""
    return default if section is None else section.read(key, read, default)


def read_yaml(path: Path) -> Value:
    """Read a YAML file into values with places.

    Raises:
        ProjectError: the file is missing, empty, not UTF-8 or not YAML.
    """
    file = path.name
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError as error:
        raise ProjectError(
            what=f"there is no {file} here",
            why=f"a project is a folder with a {file}, and {path.parent} has none",
            fix="change into the project's folder, or make one: detent new NAME --template tabular",
        ) from error
    except UnicodeDecodeError as error:
        raise ProjectError(
            what=f"{file} is not UTF-8", why=str(error), fix="save it as UTF-8", where=Place(file=file)
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ProjectError(
            what=f"{file} is not YAML",
            why=" ".join(part for part in (error.context, error.problem) if part),
            fix="mend the place below; a common cause is a missing space after a colon or wrong indentation",
            where=Place(file=file, line=mark.line + 1 if mark else None, column=mark.column + 1 if mark else None),
        ) from error
    except yaml.YAMLError as error:
        raise ProjectError(
            what=f"{file} is not YAML", why=str(error), fix="remove the odd characters", where=Place(file=file)
        ) from error
    if node is None:
        raise ProjectError(
            what=f"{file} is empty",
            why="a project needs at least project, pipeline, data, target, features and gate",
            fix="see a complete one: detent new NAME --template tabular",
            where=Place(file=file),
        )
    return Value(node, file, "")


def _kind(value: Any) -> str:
    words = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
    }
    return "empty" if value is None else words.get(type(value), f"a {type(value).__name__}")


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    return f"of at least {low:g}" if low is not None else f"of at most {high:g}"
