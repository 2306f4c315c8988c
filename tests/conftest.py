"""Fixtures every test may use."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from detent.store.database import Database, open_database
from detent.store.migrate import migrate
from programs import OWN_PATH

if TYPE_CHECKING:
    from databases import Databases
    from postgres_server import Server

os.environ["PATH"] = OWN_PATH  # before the tests look for programs

# Tests crash processes on purpose; where cores are dumped, each would leave hundreds of megabytes.
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

# How long an example takes says something about the machine, not about the code.
settings.register_profile("detent", deadline=None)
settings.load_profile("detent")


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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL that all tests share; one that is stopped by a test is that test's own."""
    from databases import running_server

    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """What opens databases, once of each kind."""
    from databases import Databases

    server = None if request.param == "sqlite" else request.getfixturevalue("postgres_server")
    opener = Databases(request.param, server)
    yield opener
    opener.close()
