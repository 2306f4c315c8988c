"""A store that several projects share: each leaves a file that says what it needs, so none deletes another's.

`<store>/roots/<project>.roots` holds a JSON line and then the digests that the project needed when it was written. What
was stored after that moment counts as needed too. Every project writes an empty one when it begins with a store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from detent.data.versions.marks import Marks
from detent.errors import Place, StoreError
from detent.store.atomic import write_atomic
from detent.store.clock import iso, parse

FORMAT = "detent.roots.v1"
SLACK_SECONDS = 2 * 3600.0  # clocks of two machines; and a blob that is stored again may be an hour older than it says


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A project that uses a store."""

    id: str  # from its public key: two projects may have one name
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """What another project left."""

    name: str
    written: str  # ISO time
    place: str  # its file


def register(store: Path, tenant: Tenant, now: datetime) -> None:
    """Say that a project uses the store in a folder, unless that is known.

    Raises:
        StoreError: the store can't be written.
    """
    if not _place(store, tenant).exists():
        write(store, tenant, (), now)


def write(store: Path, tenant: Tenant, digests: Iterable[str], now: datetime) -> None:
    """Write what a project needs, in place of what it needed before.

    Raises:
        StoreError: the store can't be written.
    """
    head = json.dumps({"format": FORMAT, "name": tenant.name, "id": tenant.id, "written": iso(now)})
    write_atomic(_place(store, tenant), "\n".join([head, *digests, "end", ""]).encode())


def honour(store: Path, tenant: Tenant, marks: Marks) -> list[Neighbour]:
    """Mark what the other projects of a store need, and return them.

    Raises:
        StoreError: a project's file is damaged or of a later version, so nobody knows what it needs.
    """
    found = []
    for path in sorted(_place(store, tenant).parent.glob("*.roots")):
        if path == _place(store, tenant):
            continue
        lines = _lines(path)
        head = json.loads(next(lines))
        for digest in lines:
            marks.mark(digest, f"project {head['name']}")
        found.append(Neighbour(name=head["name"], written=head["written"], place=str(path)))
    return found


def seconds_since(neighbours: Iterable[Neighbour], now: datetime) -> float:
    """Return how long ago the oldest of the neighbours' files was written; 0 without neighbours."""
    ages = [(now - parse(neighbour.written)).total_seconds() + SLACK_SECONDS for neighbour in neighbours]
    return max(ages, default=0.0)


def _lines(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        whole = lines[-1] == "end" and json.loads(lines[0])["format"] == FORMAT
    except (ValueError, IndexError, KeyError, TypeError):
        whole = False
    if not whole:
        raise StoreError(
            what="what another project needs can't be read",
            why=f"{path} is damaged, cut off or of another version, and this store is shared",
            fix="run `detent data gc --delete` in that project; if it is gone for good, delete the file",
            where=Place(file=str(path)),
        )
    return iter(lines[:-1])


def _place(store: Path, tenant: Tenant) -> Path:
    return store.resolve() / "roots" / f"{tenant.name}-{tenant.id[:16]}.roots"
