"""What was read once is kept on disk: sheets, so that a file is parsed once for as long as it stays as it is."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any


class Shelf:
    """A folder with one small file for each thing that is kept, named by the thing and checked against a key.

    It may be deleted at any time. What can't be read, was written by another version of this package or Python, or
    belongs to another key is passed over. Several processes may use it at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str, key: str) -> Any:
        """Return the plain value that was put there with the same key, or None."""
        try:
            head, _, body = self._path(name).read_text(encoding="utf-8").partition("\n")
            return json.loads(body) if head == _head(key, body) else None
        except (OSError, ValueError):
            return None

    def put(self, name: str, key: str, value: object) -> None:
        """Keep a plain value (lists, dicts, texts, numbers) in place of what was kept under that name.

        A folder that can't be written costs time at the next run, nothing else.
        """
        body = json.dumps(value, separators=(",", ":"))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, made = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(descriptor, "w", encoding="utf-8") as target:
                target.write(f"{_head(key, body)}\n{body}")
            Path(made).replace(self._path(name))
        except OSError:
            return

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.json"


def _head(key: str, body: str) -> str:
    return hashlib.sha256(f"{_version()}\n{key}\n{body}".encode()).hexdigest()


@cache
def _version() -> str:
    """Return what is kept depends on besides its key: Python, and the sources of this package."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
