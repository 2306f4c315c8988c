"""Sources outside the project folder: URLs and databases, and how a change there is noticed.

Opening one imports the module of its kind and nothing else, so that looking at a file on an HTTP server costs no import
of a database driver.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from detent.data.sources.protocol import Reader
from detent.records.project import Source

_READERS = {
    "sql": "detent.data.sources.sql",
    "http": "detent.data.sources.http",
    "https": "detent.data.sources.http",
}
_ANY_URL = "detent.data.sources.objects"


def open_source(source: Source, folder: Path) -> Reader:
    """Return the reader of a source outside; nothing is asked yet.

    Raises:
        DataError: the environment variable of its connection is not set.
        MissingExtraError: its kind needs a package that is not installed.
    """
    kind = "sql" if source.sql is not None else source.source.partition("://")[0]
    reader = import_module(_READERS.get(kind, _ANY_URL)).open_reader(source)
    if source.changes is not None and source.changes.kind == "probe":
        return import_module("detent.data.sources.probe").Probed(reader, source, folder)
    return reader
