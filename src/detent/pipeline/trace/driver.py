"""What the process that plans a run reads: pipeline modules may read a file or a variable while they are imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from detent.pipeline.trace import audit, environ
from detent.pipeline.trace.environ import VARIABLES
from detent.pipeline.trace.ignored import Ignored, machine
from detent.pipeline.trace.notes import Notes


@dataclass(slots=True)
class Noted:
    """Filled when the block ends."""

    files: set[str] = field(default_factory=set)  # absolute paths, also of files that were looked for and not there
    listings: set[str] = field(default_factory=set)  # absolute paths of folders
    variables: dict[str, str] = field(default_factory=dict)  # name -> code of the value
    own: set[str] = field(default_factory=set)  # variables that this process gave a value; steps find that one


@contextmanager
def noting(folder: Path, *, ignore: list[Path], key: bytes) -> Iterator[Noted]:
    """Note what Python code in this process reads below the project folder and elsewhere, the machine's own left out.

    Only Python's own reads are seen, which is enough for what decides a graph; steps are followed by a `Tracer`.
    """
    noted = Noted()
    notes = Notes(Ignored(str(folder.resolve()), [*machine(), *map(str, ignore)]))
    environ.install()
    VARIABLES.begin(key)
    audit.begin(notes)
    try:
        yield noted
    finally:
        audit.end()
        noted.variables.update(VARIABLES.end())
        noted.own.update(VARIABLES.own)
        noted.files.update(path for path, seen in notes.seen.items() if not seen.own and not seen.is_folder)
        noted.listings.update(notes.listings)
