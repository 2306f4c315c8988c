from __future__ import annotations

from pathlib import Path

import pytest

from detent.records.project import Source
from detent.store.blobs import Blobs, open_blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(str(tmp_path / "blobs"))


@pytest.fixture
def flights() -> Source:
    return Source(name="flights", source="data/flights.parquet", time="at", key="id", contract=None, line=7)
