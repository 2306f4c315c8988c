"""Rows of the tables of versions: commits, cuts and tags."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime

from detent.data.versions.entries import File, Folder
from detent.data.versions.tree import load_manifest
from detent.data.versions.version import ADDED, CUT, Schema, Version
from detent.errors import DataError, RefusedError
from detent.store.blobs import Blobs
from detent.store.canonical import canonical
from detent.store.clock import iso
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.data")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LIKE_A_DIGEST = re.compile(r"[0-9a-f]{4,64}")


def check_name(name: str) -> str:
    """Return a dataset's name.

    Raises:
        DataError: it could not stand in references, files and tables.
    """
    if not _NAME.fullmatch(name) or name.endswith(".json"):
        cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", name.removesuffix(".json")).strip("-._")[:100] or "dataset"
        raise DataError(
            what=f"`{name[:80]}` can't be a dataset's name",
            why="a name is letters, digits, - _ and ., and stands in references such as NAME@TAG and NAME~1",
            fix=f"give one with --name, for example --name {cleaned}",
        )
    return name


def commit(tx: Transaction, version: Version) -> tuple[Version, bool]:
    """Append a version to its dataset; return it with its parent, and True. Contents equal to the newest add nothing.

    The parent is the newest version at this moment, whichever one the caller started from.
    """
    before = history(tx, version.dataset)
    if before and before[-1].id == version.id:
        return before[-1], False
    version = replace(version, parent=before[-1].id if before else None)
    tx.execute(
        _SQL["insert_commit"],
        dataset=version.dataset,
        manifest=version.id,
        parent=version.parent or "",
        message=version.message,
        author=version.author,
        created=version.created,
        source=version.source,
        files=version.files,
        bytes=version.bytes,
        row_count=None if version.schema is None else version.schema.rows,
        columns="" if version.schema is None else canonical(version.schema.columns).decode(),
    )
    return version, True


def history(db: Reader, dataset: str) -> list[Version]:
    """Return every version of a dataset, oldest first: what was added and what runs cut, in the order of time."""
    versions = [_commit(row) for row in db.rows(_SQL["commits"], dataset=dataset)]
    versions += [_cut(row) for row in db.rows(_SQL["cuts"], dataset=dataset)]
    versions.sort(key=lambda version: version.created)  # stable: the order of each table stands
    parents = [None, *(version.id for version in versions)]
    return [
        replace(version, parent=parent) if version.kind == CUT else version
        for version, parent in zip(versions, parents, strict=False)
    ]


def newest(db: Reader, dataset: str) -> Version | None:
    """Return the newest version of a dataset, or None."""
    return next(reversed(history(db, dataset)), None)


def datasets(db: Reader) -> list[str]:
    """Return the names of all datasets with a version, sorted."""
    return [row["dataset"] for row in db.rows(_SQL["datasets"])]


def root_of(version: Version, blobs: Blobs) -> Folder | File:
    """Return what a version holds. A cut table is a folder of its Parquet parts.

    Raises:
        StoreError: the manifest is not in the store: it was collected.
        TamperedError: it is damaged.
    """
    if version.kind == ADDED:
        return load_manifest(version.id, blobs)
    parts = tuple(
        File(name=f"part-{number:05d}.parquet", size=size, digest=digest)
        for number, (digest, _, size) in enumerate(version.parts)
    )
    return Folder(name="", files=version.files, bytes=version.bytes, ref=parts)


def tags(db: Reader, dataset: str) -> dict[str, str]:
    """Return what each tag of a dataset points to: tag -> version id, sorted by tag."""
    return {row["tag"]: row["version"] for row in db.rows(_SQL["tags"], dataset=dataset)}


def set_tag(tx: Transaction, dataset: str, tag: str, *, version: str | None, actor: str, now: datetime) -> str | None:
    """Point a tag to a version, or to nothing (None), and return what it pointed to before.

    Raises:
        RefusedError: the name could be mistaken for a version, or there is no such tag to take away.
    """
    if not _TAG.fullmatch(tag) or _LIKE_A_DIGEST.fullmatch(tag):
        raise RefusedError(
            what=f"`{tag[:80]}` can't be a tag",
            why="a tag is letters, digits, - _ and ., and must not look like the beginning of a version's digest",
            fix="use a name such as clean, v1 or 2025-01",
        )
    before = tags(tx, dataset).get(tag)
    if before is None and version is None:
        raise RefusedError(
            what=f"`{dataset}` has no tag `{tag}`",
            why="only a tag that points to a version can be taken away",
            fix=f"see `detent data log {dataset}`",
        )
    if before != version:
        tx.execute(_SQL["insert_tag"], dataset=dataset, tag=tag, version=version, actor=actor, at=iso(now))
    return before


def _commit(row: Row) -> Version:
    columns = json.loads(row["columns"]) if row["columns"] else None
    return Version(
        dataset=row["dataset"],
        id=row["manifest"],
        kind=ADDED,
        parent=row["parent"] or None,
        created=row["created"],
        author=row["author"],
        message=row["message"],
        source=row["source"],
        files=row["files"],
        bytes=row["bytes"],
        schema=None if columns is None else Schema(rows=row["row_count"], columns=_columns(columns)),
    )


def _cut(row: Row) -> Version:
    parts = tuple((digest, rows, size) for digest, rows, size in json.loads(row["parts"]))
    return Version(
        dataset=row["dataset"],
        id=row["id"],
        kind=CUT,
        parent=None,
        created=row["created"],
        author="",
        message=f"rows known by {row['as_of'][:16]}" if row["as_of"] else "all rows",
        source=row["source"],
        files=len(parts),
        bytes=sum(size for _, _, size in parts),
        schema=Schema(rows=row["row_count"], columns=_columns(json.loads(row["columns"]))),
        as_of=row["as_of"] or None,
        parts=parts,
    )


def _columns(plain: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, kind) for name, kind in plain)
