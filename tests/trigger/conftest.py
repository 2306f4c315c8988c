from __future__ import annotations

from collections.abc import Iterator

import pytest

from detent.store.database import Database, open_database
from detent.store.migrate import migrate

ROOMS = ["detent.store", "detent.trigger"]


@pytest.fixture
def db(tmp_path) -> Iterator[Database]:
    """The database of a controller; another one may open the same file."""
    database = open_database(tmp_path / "detent.db")
    migrate(database, ROOMS)
    yield database
    database.close()
