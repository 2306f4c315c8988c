"""Rows of the table `checks`, and the blobs of failing rows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
import polars as pl

from detent.data.expect.judge import Checked, worst
from detent.data.parts import encode
from detent.records.expectation import DataCheck, ExpectationResult
from detent.store.blobs import Blobs
from detent.store.canonical import digest_of
from detent.store.clock import iso
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.data")


def keep(checked: Sequence[Checked], *, dataset: str, snapshot: str, last: str | None, blobs: Blobs) -> DataCheck:
    """Store every failing row that was kept as a blob, and return the check that names the blobs."""
    results = tuple(
        one.result if one.failing is None else replace(one.result, kept=blobs.put(encode(one.failing)))
        for one in checked
    )
    return DataCheck(
        dataset=dataset,
        snapshot=snapshot,
        last=last,
        outcome=worst(results),
        results=results,
        expectations=digest_of([result.expectation for result in results]),
    )


def save(tx: Transaction, check: DataCheck, now: datetime) -> None:
    """Remember what came of a check."""
    tx.execute(
        _SQL["save_check"],
        dataset=check.dataset,
        snapshot=check.snapshot,
        last=check.last or "",
        outcome=check.outcome,
        results=msgspec.json.encode(check.results).decode(),
        expectations=check.expectations,
        checked=iso(now),
    )


def last_good(db: Reader, dataset: str, *, other_than: str) -> str | None:
    """Return the id of the newest snapshot that broke no promise of severity "fail", other than a given one.

    Other than: a snapshot is never compared with itself, so judging it again gives the same answer.
    """
    row = db.row(_SQL["last_good"], dataset=dataset, other=other_than)
    return None if row is None else row["snapshot"]


def history(db: Reader, dataset: str) -> list[DataCheck]:
    """Return every check of a dataset, newest first."""
    return [_check(row) for row in db.rows(_SQL["checks_of"], dataset=dataset)]


def read_failing(result: ExpectationResult, blobs: Blobs) -> pl.DataFrame | None:
    """Return the failing rows that were kept; None: there are none.

    Raises:
        StoreError: they were collected since.
    """
    return pl.read_parquet(io.BytesIO(blobs.get(result.kept))) if result.kept else None


def _check(row: Row) -> DataCheck:
    return DataCheck(
        dataset=row["dataset"],
        snapshot=row["snapshot"],
        last=row["last"] or None,
        outcome=row["outcome"],
        results=msgspec.json.decode(row["results"], type=tuple[ExpectationResult, ...]),
        expectations=row["expectations"],
    )
