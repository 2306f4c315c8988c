"""What a step asks for besides its arguments: resources, retries, and what it reads from outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from detent.errors import Place, ProjectError, did_you_mean
from detent.project.durations import parse_duration

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_CHANGES = re.compile(r"always|ttl (?P<ttl>.+)|probe \S+\.py:\w+")


class Given(TypedDict, total=False):
    """The arguments of `@step(...)`, as users write them."""

    retries: int  # further attempts after a timeout, a lost connection, an error of `retry_on` or a dead process
    retry_on: tuple[type[Exception], ...]  # errors of the step's own code that another attempt may not meet
    backoff: str | float  # before the second attempt, "10s" or seconds; it doubles from attempt to attempt
    timeout: str | float  # of one attempt, "30m" or seconds
    cpu: float  # cores
    memory: str | int  # "4Gi" or bytes; an attempt that uses more is ended
    gpu: int  # devices
    env: Sequence[str]  # environment variables that it reads
    files: Sequence[str]  # files that it reads: paths or patterns below the project folder
    secrets: Sequence[str]  # names of the secrets that it asks for
    network: bool  # it talks to other machines
    changes: str  # when its result is out of date: "always", "ttl 6h" or "probe file.py:function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`Given`, checked. Only `env`, `files`, `secrets` and `changes` take part in the cache key."""

    retries: int = 0
    backoff: float = 0.2  # seconds
    timeout: float | None = None  # seconds
    cpu: float = 1.0
    memory: int | None = None  # bytes
    gpu: int = 0
    env: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    network: bool = False
    changes: str = ""

    @property
    def ttl(self) -> float | None:
        """Seconds after which a result is out of date; None: it never is by age alone."""
        found = _CHANGES.fullmatch(self.changes)
        return parse_duration(found["ttl"]).total_seconds() if found and found["ttl"] else None


def check_options(given: Given, where: Place | None) -> Options:
    """Turn what was written in `@step(...)` into numbers.

    Raises:
        ProjectError: an option is unknown, or a number, a duration or a size makes no sense.
    """
    unknown = sorted(set(given) - set(Given.__annotations__))
    if unknown:
        raise _wrong(f"a step has no option `{unknown[0]}`", did_you_mean(unknown[0], [*Given.__annotations__]), where)
    memory = given.get("memory")
    options = Options(
        retries=given.get("retries", 0),
        backoff=_seconds("backoff", given.get("backoff", 0.2), where) or 0.0,
        timeout=_seconds("timeout", given.get("timeout"), where),
        cpu=float(given.get("cpu", 1)),
        memory=_bytes(memory, where) if isinstance(memory, str) else memory,
        gpu=given.get("gpu", 0),
        env=_names("env", given.get("env", ()), where),
        files=_names("files", given.get("files", ()), where),
        secrets=_names("secrets", given.get("secrets", ()), where),
        network=given.get("network", False),
        changes=given.get("changes", ""),
    )
    positive = (options.cpu, options.timeout, options.memory)
    if options.retries < 0 or options.gpu < 0 or options.backoff < 0 or any(n is not None and n <= 0 for n in positive):
        raise _wrong(
            f"a step's limits make no sense: {dict(given)}",
            "give retries, backoff and gpu of 0 or more, and cpu, memory and timeout above 0",
            where,
        )
    if options.changes:
        _check_changes(options.changes, where)
    return options


def _check_changes(text: str, where: Place | None) -> None:
    found = _CHANGES.fullmatch(text)
    fix = 'write changes="always", changes="ttl 6h" or changes="probe sources.py:version"'
    if found is None:
        raise _wrong(f"`{text}` does not say when a step's result is out of date", fix, where)
    if found["ttl"]:
        _seconds("ttl", found["ttl"], where)


def _names(key: str, given: Sequence[str], where: Place | None) -> tuple[str, ...]:
    if isinstance(given, str) or not all(isinstance(name, str) and name for name in given):
        raise _wrong(f"`{key}` of a step is no list of names: {given!r}", f'write {key}=["..."]', where)
    return tuple(sorted(set(given)))


def _seconds(key: str, value: str | float | None, where: Place | None) -> float | None:
    if not isinstance(value, str):
        return None if value is None else float(value)
    try:
        return parse_duration(value).total_seconds()
    except ValueError as error:
        raise _wrong(f"`{key}`: {error}", 'write for example "90s", "30m" or "2h"', where) from error


def _bytes(text: str, where: Place | None) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise _wrong(f"`{text}` is no size of memory", 'write for example "512Mi" or "4Gi"', where)
    return int(float(match[1]) * _UNITS[(match[2] or "").lower()])


def _wrong(what: str, fix: str, where: Place | None) -> ProjectError:
    return ProjectError(what=what, why="it stands in the arguments of @step", fix=fix, where=where)
