"""Where a project's runs happen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detent.store.blobs import Blobs
from detent.store.clock import Clock
from detent.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The places and ports that every run of a project shares."""

    folder: Path  # the project
    state: Path  # logs (`runs/<id>/`) and the run lock
    blobs: Blobs
    db: Database
    clock: Clock
