"""Fixtures every test may use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from detent.store.database import Database, open_database
from detent.store.migrate import migrate


@pytest.fixture
def now() -> datetime:
    """A fixed moment, so that no test depends on the clock."""
    return datetime(2013, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def db(tmp_path: Path) -> Database:
    """A fresh database with the ledger."""
    database = open_database(tmp_path / "detent.db")
    migrate(database, ["detent.store"])
    return database
