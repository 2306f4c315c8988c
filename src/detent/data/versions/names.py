"""References as people type them: NAME, NAME@TAG, NAME@DIGEST, NAME~1, and a pointer file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from detent.data.versions import store
from detent.data.versions.pointer import SUFFIX, read_pointer
from detent.data.versions.version import Version
from detent.errors import DataError, did_you_mean
from detent.store.blobs import Blobs
from detent.store.database import Reader

_REFERENCE = re.compile(r"(?P<name>[^@~]+)(@(?P<at>[^@~]+))?(~(?P<back>\d*))?")
_DIGEST = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A parsed reference."""

    name: str
    at: str | None  # tag or the beginning of a version's digest; None: the newest
    back: int  # versions before that one


def parse(text: str) -> Reference:
    """Return the parts of a reference.

    Raises:
        DataError: it is none.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise DataError(
            what=f"`{text[:80]}` names no version",
            why="a version is NAME (the newest), NAME@TAG, NAME@DIGEST or NAME~1 (the one before)",
            fix="see `detent data log` for names and versions",
        )
    back = match["back"]
    return Reference(name=match["name"], at=match["at"], back=0 if back is None else int(back or 1))


def resolve(db: Reader, blobs: Blobs, text: str) -> Version:
    """Return the version that a reference, or the path of a pointer file, names.

    Raises:
        DataError: there is no such dataset, tag, digest or earlier version; or the pointer is none.
    """
    if text.endswith(SUFFIX):
        return read_pointer(Path(text), blobs)
    reference = parse(text)
    history = store.history(db, reference.name)
    if not history:
        known = store.datasets(db)
        raise DataError(
            what=f"there is no dataset `{reference.name}`",
            why="nothing was added or cut under that name here",
            fix=did_you_mean(reference.name, known) if known else "add one with `detent data add PATH`",
        )
    position = len(history) - 1 if reference.at is None else _position(db, history, reference.at)
    if reference.back > position:
        raise DataError(
            what=f"`{text}` goes back too far",
            why=f"before {history[position]} `{reference.name}` has {position or 'no'} versions",
            fix=f"see `detent data log {reference.name}`",
        )
    return history[position - reference.back]


def before(text: str) -> str:
    """Return the reference to the version before the one that a reference names.

    Raises:
        DataError: it is none.
    """
    found = parse(text)
    return f"{found.name}{f'@{found.at}' if found.at else ''}~{found.back + 1}"


def _position(db: Reader, history: list[Version], at: str) -> int:
    """Return where in the history a tag or the beginning of a digest points; the newest when contents came back."""
    name = history[0].dataset
    tags = store.tags(db, name)
    wanted = tags.get(at)
    found = {version.id for version in history if version.id == wanted}
    if not found and _DIGEST.fullmatch(at):
        found = {version.id for version in history if version.id.startswith(at)}
    if len(found) == 1:
        return max(position for position, version in enumerate(history) if version.id in found)
    if found:
        raise DataError(
            what=f"`{name}@{at}` may be several versions",
            why="these begin so: " + ", ".join(sorted(id[:12] for id in found)[:5]),
            fix="write more digits of the one you mean",
        )
    raise DataError(
        what=f"`{name}` has no version `{at}`",
        why="it is neither a tag nor the beginning (4 digits or more) of a version's digest",
        fix=did_you_mean(at, list(tags)) if tags else f"see `detent data log {name}`",
    )
