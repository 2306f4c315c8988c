"""A suite of Great Expectations (JSON, 1.x and 0.x) -> our promises. Nothing in it is ever dropped without a word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detent.data.expect.suite_map import IGNORED, NoCounterpartError, translate
from detent.errors import DataError, Place
from detent.records.expectation import FAIL, WARN, Expectation, Suite
from detent.store.canonical import canonical

GX = "gx"  # name of a promise that only Great Expectations itself can check; its `argument` is the JSON of it
NOBODY = "nobody"  # ... and that is not allowed to: it counts as broken
_TEXT = 100  # characters of the arguments in a promise's text


def import_suite(path: Path, *, severity: str = FAIL, engine: str = "auto", line: int = 0) -> tuple[Expectation, ...]:
    """Return the expectations of a suite, in its order.

    One without a counterpart comes back as a promise named "gx", whose `note` says why; Great Expectations has to check
    it. With `engine="gx"` that is so for all of them. Expectations of severity "warning" or "info" only warn.

    Args:
        path: the suite's JSON file.
        severity: what a broken expectation is whose own severity is "critical" or not given.
        engine: "auto", "detent" or "gx".
        line: line of detent.yaml that names the suite.

    Raises:
        DataError: the file is missing, or is no suite.
    """
    found = []
    for index, entry in enumerate(_entries(path)):
        kind = entry.get("type", entry.get("expectation_type"))
        kwargs = entry.get("kwargs", {})
        if not isinstance(kind, str) or not isinstance(kwargs, dict):
            raise _no_suite(path, f"entry {index} has no type, or its kwargs are no mapping")
        shared = {
            "text": _text(kind, kwargs),
            "severity": WARN if entry.get("severity") in ("warning", "info") else severity,
            "line": line,
            "origin": f"{path.name}[{index}]",
        }
        found += _promises(kind, kwargs, shared, _note(entry), engine)
    return tuple(found)


def suite_of(suite: Suite, folder: Path) -> tuple[Expectation, ...]:
    """Return the expectations of a suite that detent.yaml names."""
    return import_suite(folder / suite.path, severity=suite.severity, engine=suite.engine, line=suite.line)


def _promises(
    kind: str, kwargs: Mapping[str, Any], shared: Mapping[str, Any], note: str, engine: str
) -> list[Expectation]:
    try:
        if engine == GX:
            raise NoCounterpartError("all of the suite is left to Great Expectations")
        return [Expectation(**shared, **fields, note=note) for fields in translate(kind, kwargs)]
    except NoCounterpartError as why:
        config = canonical({"type": kind, "kwargs": kwargs}).decode()
        name = NOBODY if engine == "detent" else GX
        return [Expectation(**shared, name=name, argument=config, note=f"{why}" + (f"; {note}" if note else ""))]


def _entries(path: Path) -> list[Mapping[str, Any]]:
    try:
        suite = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            what=f"the suite {path.name} can't be read",
            why=f"the operating system says: {error.strerror or error}",
            fix="name a JSON file of Great Expectations, relative to the project folder",
            where=Place(file=str(path)),
        ) from error
    except ValueError as error:
        raise _no_suite(path, f"it is no JSON: {error}") from error
    entries = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(entries, list) or any(not isinstance(entry, dict) for entry in entries):
        raise _no_suite(path, "it has no list `expectations`")
    return entries


def _no_suite(path: Path, why: str) -> DataError:
    return DataError(
        what=f"{path.name} is no suite of Great Expectations",
        why=why,
        fix='save it with `json.dump(suite.to_json_dict(), file)`: {"name": ..., "expectations": [...]}',
        where=Place(file=str(path)),
    )


def _text(kind: str, kwargs: Mapping[str, Any]) -> str:
    inside = ", ".join(
        f"{name}={json.dumps(value)}" for name, value in kwargs.items() if value is not None and name not in IGNORED
    )
    return f"{kind}({inside if len(inside) <= _TEXT else inside[: _TEXT - 3] + '...'})"


def _note(entry: Mapping[str, Any]) -> str:
    """Return what the author wrote about an expectation."""
    meta = entry.get("meta") or {}
    notes = entry.get("notes") or (meta.get("notes") if isinstance(meta, dict) else None)
    content = notes.get("content") if isinstance(notes, dict) else notes
    return " ".join(map(str, content)) if isinstance(content, list) else str(content or "")
