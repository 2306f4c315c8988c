"""A source whose version is a value that somebody is asked for: a function of the project, or a SELECT."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from detent.data.sources.protocol import Reader, Reading, refused, unreachable
from detent.errors import DetentError
from detent.project.code import load_callable
from detent.records.project import Source
from detent.store.canonical import canonical


class Probed:
    """Another reader, with a version that is asked for before and after the rows are read."""

    def __init__(self, reader: Reader, source: Source, folder: Path) -> None:
        self._reader, self._source, self._folder = reader, source, folder
        changes = source.changes
        self._probe = (changes.probe if changes is not None else None) or ""

    def version(self) -> str:
        """Return the probe's value as canonical JSON."""
        name = self._probe
        is_code = name.partition(":")[0].endswith(".py")
        found = self._call(name) if is_code else self._reader.ask(name)
        try:
            return canonical(_plain(found)).decode()
        except (TypeError, ValueError) as error:
            raise refused(
                self._source, f"the probe gives a {type(found).__name__}, which can't be compared: {error}",
                "return a number, a text, a time, or a list of these", "changes",
            ) from error  # fmt: skip

    def read(self) -> Reading:
        """Read; rows that changed meanwhile are not taken."""
        before = self.version()
        reading = self._reader.read()
        if self.version() != before:
            raise unreachable(self._source, "the probe's value changed while the source was read")
        return Reading(content=reading.content, version=before)

    def ask(self, question: str) -> object:
        """Ask the reader inside."""
        return self._reader.ask(question)

    def _call(self, spec: str) -> object:
        probe = load_callable(spec, self._folder)
        try:
            return probe()
        except DetentError:
            raise
        except Exception as error:
            raise unreachable(self._source, f"the probe {spec} failed with {type(error).__name__}: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
