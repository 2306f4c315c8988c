"""Tools of others whose pins are none of ours: each in a virtual environment of its own, asked through files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detent.errors import DataError, MissingExtraError
from detent.store.atomic import write_atomic
from detent.store.lock import held_lock

TIMEOUT = 600.0  # seconds for one answer
# Nothing of ours reaches a tool but what it needs to start.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool of others, pinned."""

    name: str  # as people know it
    folder: str  # of its environment, with its version
    requirements: tuple[str, ...]
    megabytes: int  # about what the environment takes
    variables: Mapping[str, str] = field(default_factory=dict)  # what it is started with


def python_of(tool: Tool, environments: Path) -> Path | None:
    """Return the Python of a tool's environment; None when it was never made."""
    target = environments / tool.folder
    return target / "bin" / "python" if (target / "complete").exists() else None


def install(tool: Tool, environments: Path) -> Path:
    """Make a tool's environment from the package index and return its Python; one that is complete is left as it is.

    Raises:
        MissingExtraError: it can't be made.
        BusyError: another process makes it at this moment.
        StoreError: the folder can't be written.
    """
    target = environments / tool.folder
    with held_lock(
        environments / f"{tool.folder}.lock",
        what=f"the environment of {tool.name} is being made", why="process {pid} does it", fix="try again later",
    ):  # fmt: skip
        python = python_of(tool, environments)
        if python is None:
            python = target / "bin" / "python"
            _make(tool, target, python)
            write_atomic(target / "complete", "\n".join(tool.requirements).encode())
    return python


def _make(tool: Tool, target: Path, python: Path) -> None:
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(target)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *tool.requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingExtraError(
                what=f"the environment of {tool.name} can't be made",
                why=_last_line(done, "the installer gave no reason"),
                fix=f"see that PyPI can be reached and {target.parent} has {tool.megabytes} MB free, then try again",
            )


def ask(
    tool: Tool,
    python: Path,
    runner: Path,
    request: Mapping[str, Any],
    *,
    work: Path,
    fix: str,
    timeout: float = TIMEOUT,
) -> dict[str, Any]:
    """Run `runner REQUEST ANSWER` in a tool's environment and return its answer; both are JSON files in `work`.

    Args:
        tool: whose environment it is.
        python: of that environment.
        runner: a script that imports nothing of detent.
        request: what it is told; tables go as names of Parquet files.
        work: an empty folder for files; also its home.
        fix: what a user can do when it fails.
        timeout: seconds.

    Raises:
        DataError: it ends without an answer.
    """
    told, answer = work / "request.json", work / "answer.json"
    told.write_text(json.dumps(request), encoding="utf-8")
    try:
        done = subprocess.run(
            # -I: neither the runner's folder, which holds modules of ours, nor the user's packages are imported from.
            [str(python), "-I", str(runner), str(told), str(answer)],
            capture_output=True, text=True, check=False, timeout=timeout, cwd=work,
            env={**_ENVIRONMENT, **tool.variables, "HOME": str(work)},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        why = f"it ran for more than {timeout:g} seconds"
        raise DataError(what=f"{tool.name} gave no answer", why=why, fix=fix) from error
    if done.returncode or not answer.exists():
        raise DataError(what=f"{tool.name} gave no answer", why=_last_line(done, "it gave no reason"), fix=fix)
    return json.loads(answer.read_text(encoding="utf-8"))


def _last_line(done: subprocess.CompletedProcess[str], otherwise: str) -> str:
    said = done.stderr.strip() or done.stdout.strip()
    return said.splitlines()[-1] if said else otherwise
