from __future__ import annotations

from pathlib import Path

import pytest

from detent.store.database import Database, open_database
from detent.store.migrate import migrate


@pytest.fixture
def db(tmp_path: Path) -> Database:
    database = open_database(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.registry"])
    return database
