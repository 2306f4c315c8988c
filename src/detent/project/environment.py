"""The only reader of the process environment (12-factor settings)."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that no log, event or traceback may show. `reveal()` is the only way to it."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __str__(self) -> str:
        return "********"

    def __repr__(self) -> str:
        return "Secret(********)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the environment says."""

    api_key: Secret | None  # DETENT_API_KEY: callers of predict, feedback and metrics must show it
    database: Secret | None  # DETENT_DATABASE_URL: the database that several machines share
    user: str  # who is at the keyboard, for the ledger


def read_environment() -> Environment:
    """Read every DETENT_* variable."""
    return Environment(api_key=read_secret("DETENT_API_KEY"), database=read_secret("DETENT_DATABASE_URL"), user=_user())


def read_secret(name: str) -> Secret | None:
    """Return the secret that lies in the environment variable `name`, or None."""
    value = os.environ.get(name, "")
    return Secret(value) if value else None


def read_variable(name: str) -> str | None:
    """Return an environment variable that a step declares to read, or None."""
    return os.environ.get(name)


def all_variables() -> dict[str, str]:
    """Return the whole environment, for a process that is to run as if it were this one."""
    return dict(os.environ)


def become(variables: dict[str, str]) -> None:
    """Make the environment of this process be these variables."""
    os.environ.clear()
    os.environ.update(variables)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user id has no name
        return f"uid {os.getuid()}"
