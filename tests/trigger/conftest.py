from __future__ import annotations

from pathlib import Path

import pytest

from databases import Databases
from detent.store.database import Database
from detent.store.migrate import migrate

ROOMS = ["detent.store", "detent.trigger"]


@pytest.fixture
def db(databases: Databases, tmp_path: Path) -> Database:
    """The database of a controller, once of each kind; another one may open the same."""
    database = databases.open(tmp_path / "detent.db")
    migrate(database, ROOMS)
    return database
