"""Environment markers of requirements (PEP 508): `python_version < "3.12" and extra == "sql"`.

`packaging` knows all of the grammar and takes longer to import than the rest of a fingerprint takes.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from functools import cache

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>\(|\)|===?|~=|!=|<=?|>=?)|(?P<word>[A-Za-z_.]+)|'(?P<one>[^']*)'|"(?P<two>[^"]*)")"""
)
_VERSION = re.compile(r"\d+(\.\d+)*")


def holds(marker: str, extra: str = "") -> bool:
    """True when a requirement with this marker applies here. A marker that can't be read applies."""
    try:
        return _Reader(marker, {**_environment(), "extra": extra}).read()
    except (ValueError, IndexError):
        return True


class _Reader:
    def __init__(self, marker: str, environment: Mapping[str, str]) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._environment = environment
        place = 0
        while marker[place:].strip():
            match = _TOKEN.match(marker, place)
            if match is None:
                raise ValueError(marker)
            kind = match.lastgroup or ""
            self._tokens.append(("text" if kind in ("one", "two") else kind, match.group(kind)))
            place = match.end()

    def read(self) -> bool:
        value = self._or()
        if self._tokens:
            raise ValueError("something is left")
        return value

    def _or(self) -> bool:
        value = self._and()
        while self._take("or"):
            other = self._and()
            value = value or other
        return value

    def _and(self) -> bool:
        value = self._one()
        while self._take("and"):
            other = self._one()
            value = value and other
        return value

    def _one(self) -> bool:
        if self._take("("):
            value = self._or()
            if not self._take(")"):
                raise ValueError("a bracket is open")
            return value
        left = self._value()
        operator = self._tokens.pop(0)[1]
        if operator == "not":
            operator = f"not {self._tokens.pop(0)[1]}"
        return _compare(left, operator, self._value())

    def _value(self) -> str:
        kind, text = self._tokens.pop(0)
        return text if kind == "text" else self._environment[text] if text in self._environment else _refuse(text)

    def _take(self, text: str) -> bool:
        if self._tokens and self._tokens[0] in (("op", text), ("word", text)):
            self._tokens.pop(0)
            return True
        return False


def _refuse(text: str) -> str:
    raise ValueError(f"{text} is no marker")


def _compare(left: str, operator: str, right: str) -> bool:
    if operator in ("in", "not in"):
        return (left in right) == (operator == "in")
    prefix = right.removesuffix(".*")
    if not (_VERSION.fullmatch(left) and _VERSION.fullmatch(prefix)):
        answers = {"==": left == right, "===": left == right, "!=": left != right}
        return answers[operator] if operator in answers else _refuse(operator) == ""
    one, two = _numbers(left), _numbers(prefix)
    if operator == "~=":
        return one >= two and one[: len(two) - 1] == two[:-1]
    if prefix != right:
        one = one[: len(two)]
    size = max(len(one), len(two))
    one, two = one + (0,) * (size - len(one)), two + (0,) * (size - len(two))
    answers = {"<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two, "!=": one != two}
    return answers.get(operator, one == two)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@cache
def _environment() -> Mapping[str, str]:
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "sys_platform": sys.platform,
    }
