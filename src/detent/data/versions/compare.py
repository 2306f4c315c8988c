"""Two versions -> what changed in their files and, where they are tables, in their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from detent.data.versions.diff import Difference, diff
from detent.data.versions.entries import File, Folder
from detent.data.versions.facts import is_table
from detent.data.versions.store import root_of
from detent.data.versions.tree import listing
from detent.data.versions.version import Version
from detent.store.blobs import Blobs

if TYPE_CHECKING:
    from detent.data.versions.rows import TableDifference

MOST_TABLES = 20  # files that are compared row by row when a dataset is no single table


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changed between two versions."""

    old: Version
    new: Version
    files: Difference
    tables: tuple[tuple[str, TableDifference], ...]  # (path, or the dataset's name when it is one table)
    left_out: int  # changed tables beyond MOST_TABLES


def compare(
    old: Version, new: Version, blobs: Blobs, *, key: Sequence[str] = (), files_only: bool = False
) -> Comparison:
    """Compare two versions. Files: O(changed). Tables: the files that changed are read; for columns, all of them.

    A dataset whose files are all parts of one table is compared as one; else each changed Parquet or CSV file is.

    Raises:
        DataError: `key` names a column that is not there, or a table can't be read.
        StoreError: a version was collected.
    """
    before, after = root_of(old, blobs), root_of(new, blobs)
    files = diff(before, after, blobs)
    tables: list[tuple[str, TableDifference]] = []
    left_out = 0
    one_table = old.schema is not None and new.schema is not None
    pairs = [change for change in files.changed if is_table(change.old) and is_table(change.new)]
    if files and not files_only and (one_table or pairs):
        # It loads SciPy, which takes longer than most comparisons of files.
        diff_tables = import_module("detent.data.versions.rows").diff_tables
        if one_table:
            tables.append((new.dataset, diff_tables(_files(before, blobs), _files(after, blobs), blobs, key=key)))
            pairs = []
        for change in pairs[:MOST_TABLES]:
            tables.append((change.path, diff_tables([change.old], [change.new], blobs, key=key)))
        left_out = max(0, len(pairs) - MOST_TABLES)
    return Comparison(old=old, new=new, files=files, tables=tuple(tables), left_out=left_out)


def _files(root: Folder | File, blobs: Blobs) -> list[File]:
    return [entry for _, entry in listing(root, blobs) if isinstance(entry, File)]
