"""What a step read besides its declared inputs, and whether that is unchanged."""

from __future__ import annotations

import ast
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detent.errors import StoreError
from detent.pipeline.trace.environ import value_digest
from detent.pipeline.trace.notes import names_digest

ABSENT = ""  # the digest of what is not there or may not be read
PRESENT = "present"  # the digest of a file of which a step only asked whether it exists
_RACY_NS = 2_000_000_000  # a file changed more recently than this may change again without its times showing it


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Read:
    """One thing that a step read."""

    kind: str  # "file", "folder" (the names in it), "env" or "import" (a Python file that was executed)
    name: str  # a path relative to the project folder, absolute if outside; the name of a variable
    digest: str  # of what the step saw; ABSENT or PRESENT


def to_json(reads: Iterable[Read]) -> list[list[str]]:
    """Return reads as JSON."""
    return [[read.kind, read.name, read.digest] for read in reads]


def from_json(rows: Iterable[Sequence[str]]) -> tuple[Read, ...]:
    """Return the reads that `to_json` was given."""
    return tuple(Read(kind=kind, name=name, digest=digest) for kind, name, digest in rows)


@dataclass(slots=True)
class Memo:
    """Digests by what the file system says of a file, so that one that did not change is not read again.

    A digest is kept only if the file had been at rest for two seconds when it was read: a change within one tick of
    the clock leaves size and times as they were (git's racy rule).
    """

    known: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def key(kind: str, found: os.stat_result) -> str:
        """Return what identifies the bytes of a file."""
        return f"{kind} {found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"

    def keep(self, kind: str, found: os.stat_result, digest: str, asked_ns: int) -> None:
        """Keep a digest of what was read at a moment (ns since 1970), unless the file was too young then."""
        if max(found.st_mtime_ns, found.st_ctime_ns) < asked_ns - _RACY_NS:
            self.known[self.key(kind, found)] = digest


def digest_read(kind: str, name: str, folder: Path, memo: Memo | None = None, *, key: bytes = b"") -> str:
    """Return the digest that a read of this kind has now; `key` is what digests of variables are made with.

    Raises:
        StoreError: the file can't be read for another reason than that it is absent or forbidden.
    """
    if kind == "env":
        value = os.environ.get(name)
        return ABSENT if value is None else value_digest(name, value, key)
    path = folder / name
    asked = time.time_ns()
    try:
        found = path.stat()
        known = memo.known.get(Memo.key(kind, found)) if memo is not None else None
        if known is not None:
            return known
        digest = _DIGESTS[kind](path)
        after = path.stat()
    except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, ValueError):
        return ABSENT
    except OSError as error:
        raise StoreError(
            what=f"`{name}` can't be read to see whether it changed",
            why=str(error),
            fix="look at the disk or the network file system that holds it",
        ) from error
    if memo is not None and Memo.key(kind, after) == Memo.key(kind, found):
        memo.keep(kind, found, digest, asked)
    return digest


def unchanged(reads: Iterable[Read], folder: Path, memo: Memo | None = None, *, key: bytes = b"") -> Read | None:
    """Return the first read whose digest is another one now, None when all are as they were.

    Raises:
        StoreError: see `digest_read`.
    """
    for read in reads:
        if read.digest == PRESENT:
            same = (folder / read.name).exists()
        elif read.digest == ABSENT and read.kind != "env":
            same = not os.access(folder / read.name, os.R_OK)
        else:
            same = digest_read(read.kind, read.name, folder, memo, key=key) == read.digest
        if not same:
            return read
    return None


def _bytes_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names_digest(path: Path) -> str:
    return names_digest(str(path))


def _code_digest(path: Path) -> str:
    """Return the digest of a source without comments, docstrings and layout; of its bytes if it is no valid Python."""
    data = path.read_bytes()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return hashlib.sha256(data).hexdigest()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and _has_docstring(node):
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _has_docstring(node: Any) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


_DIGESTS: dict[str, Callable[[Path], str]] = {"file": _bytes_digest, "folder": _names_digest, "import": _code_digest}
