from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pipeline_project import FixedClock, Project, forget

from detent.pipeline import LocalExecutor, Workspace
from detent.store.blobs import open_blobs
from detent.store.database import Database
from detent.store.migrate import migrate


@pytest.fixture(scope="session")
def executor() -> Iterator[LocalExecutor]:
    with LocalExecutor(2) as pool:
        yield pool


@pytest.fixture
def project(tmp_path: Path, db: Database, now: datetime, executor: LocalExecutor) -> Iterator[Project]:
    migrate(db, ["detent.store", "detent.pipeline"])
    folder = tmp_path / "project"
    folder.mkdir()
    workspace = Workspace(
        folder=folder,
        state=tmp_path / "state",
        blobs=open_blobs(str(tmp_path / "state" / "blobs")),
        db=db,
        clock=FixedClock(now),
    )
    path = list(sys.path)
    yield Project(workspace, executor)
    sys.path[:] = path
    forget(folder)
