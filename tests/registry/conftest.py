from __future__ import annotations

from pathlib import Path

import pytest

from databases import Databases
from detent.store.database import Database
from detent.store.migrate import migrate


@pytest.fixture
def db(databases: Databases, tmp_path: Path) -> Database:
    database = databases.open(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.registry"])
    return database
