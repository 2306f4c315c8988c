"""Has anything changed since the last run? Answered from file stamps alone, before user code or a library is imported.

A run leaves a list of all that decided it: files with their identity and time of change, folders with the names in
them, variables, and where its outputs lie. While all of that stands, a new run would do nothing.

A stamp counts as proof only when the file was at rest for two seconds when it was read: within the clock's resolution a
second edit could leave the same stamp. Younger ones are read and compared by content.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detent.pipeline.seal import seal
from detent.project.environment import read_variable
from detent.store.atomic import write_atomic

FORMAT = "detent.plan.v1"
_AT_REST = 2 * 10**9  # nanoseconds
Stamp = list[int]  # device, inode, size, time of change of content and of inode in nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """All that decides whether a run would do anything."""

    files: frozenset[str]  # absolute paths; one that is missing has to stay missing
    folders: frozenset[str]  # absolute paths; names of Python files and folders in them decide what an import finds
    packages: frozenset[str]  # absolute paths of folders with installed packages; any change in them counts
    listings: frozenset[str]  # absolute paths of folders that a step listed
    variables: Mapping[str, str]  # name -> sealed value ("" when it is not set)
    outputs: tuple[str, ...]  # absolute paths of stored results
    asked: Mapping[str, Any]  # options of the command; another question has another answer
    facts: Mapping[str, Any]  # what else was true, such as the champion; compared by the caller
    until: float | None  # seconds of the epoch at which time alone changes the answer; None: never


def remember(path: Path, watched: Watched, *, answer: Mapping[str, Any], read_at: float) -> None:
    """Write down what a run that ended well depended on, and what to say when nothing has changed.

    `read_at` is the time (seconds of the epoch) at which the run began to read: a file that was changed later than that
    makes the list worthless, and nothing is written.
    """
    files = {name: _file(name) for name in sorted(watched.files)}
    if any(found is not None and found[0][3] >= read_at * 1e9 for found in files.values()):
        path.unlink(missing_ok=True)
        return
    plan = {
        "format": FORMAT,
        "python": _python(),
        "files": [[name, *(found or [None, ""])] for name, found in files.items()],
        "folders": [[name, _names(name, code=True)] for name in sorted(watched.folders)],
        "packages": [[name, _stamp(name)] for name in sorted(watched.packages)],
        "listings": [[name, _names(name, code=False)] for name in sorted(watched.listings)],
        "variables": dict(watched.variables),
        "outputs": [[name, _stamp(name)] for name in watched.outputs],
        "asked": dict(watched.asked),
        "facts": dict(watched.facts),
        "until": watched.until,
        "answer": dict(answer),
    }
    write_atomic(path, json.dumps(plan, separators=(",", ":")).encode())


def recall(path: Path, *, asked: Mapping[str, Any], key: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return (facts, answer) of the last run when nothing that decided it has changed; None when something has.

    `key` is the project's, with which values of variables were sealed. A list that can't be read counts as none.
    """
    try:
        plan = json.loads(path.read_bytes())
        if plan["format"] != FORMAT or plan["python"] != _python() or plan["asked"] != dict(asked):
            return None
        if plan["until"] is not None and time.time() >= plan["until"]:
            return None
        stands = (
            all(_is_same(*entry) for entry in plan["files"])
            and all(_names(name, code=True) == names for name, names in plan["folders"])
            and all(_stamp(name) == stamp for name, stamp in plan["packages"])
            and all(_names(name, code=False) == names for name, names in plan["listings"])
            and all(_variable(name, key) == value for name, value in plan["variables"].items())
            and all(_stamp(name) == stamp for name, stamp in plan["outputs"])
        )
        return (plan["facts"], plan["answer"]) if stands else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(path: Path) -> None:
    """Make the next run look for itself."""
    path.unlink(missing_ok=True)


def package_folders() -> frozenset[str]:
    """Return the folders in which installing, removing or upgrading a package leaves a trace."""
    return frozenset(str(Path(entry).resolve()) for entry in sys.path if entry.endswith("-packages"))


def import_folders(files: Iterable[Path], folder: Path) -> frozenset[str]:
    """Return every folder, from the project's down to these files', in which a new file could shadow a module."""
    found = {folder}
    for file in files:
        parent = file.parent
        while parent != folder and parent.is_relative_to(folder):
            found.add(parent)
            parent = parent.parent
    return frozenset(map(str, found))


def _python() -> list[str]:
    return [sys.version, sys.prefix]


def _file(name: str) -> list[Any] | None:
    """Return [stamp, digest]; the digest only when the stamp is no proof."""
    stamp = _stamp(name)
    if stamp is None:
        return None
    # A socket or a device has nothing to read that would stay.
    rested = time.time_ns() - max(stamp[3], stamp[4]) > _AT_REST or not Path(name).is_file()
    return [stamp, "" if rested else hashlib.sha256(Path(name).read_bytes()).hexdigest()]


def _is_same(name: str, stamp: Stamp | None, digest: str) -> bool:
    now = _stamp(name)
    if now != stamp or now is None or not digest:
        return now == stamp
    return hashlib.sha256(Path(name).read_bytes()).hexdigest() == digest


def _stamp(name: str) -> Stamp | None:
    try:
        found = os.stat(name)  # noqa: PTH116  (Path.stat is slower, and this runs for each of 10,000 outputs)
    except OSError:
        return None
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _names(name: str, *, code: bool) -> str:
    try:
        with os.scandir(name) as entries:
            names = sorted(
                entry.name for entry in entries
                if not code or entry.name.endswith((".py", ".so"))
                or (not entry.name.startswith((".", "__pycache__")) and entry.is_dir())
            )  # fmt: skip
    except OSError:
        return ""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _variable(name: str, key: bytes) -> str:
    value = read_variable(name)
    return "" if value is None else seal(name, value, key)
