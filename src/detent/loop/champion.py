"""The version that answers today, by its alias, and the folder of a version's bundle."""

from __future__ import annotations

from pathlib import Path

from detent.loop import places
from detent.loop.workspace import Workspace
from detent.records.version import ModelVersion
from detent.registry import aliases, versions

CHAMPION = "champion"


def champion_version(ws: Workspace) -> ModelVersion | None:
    """Return the version that the alias `champion` points to."""
    number = aliases.current(ws.db, ws.model, CHAMPION)
    return None if number is None else versions.get(ws.db, ws.model, number)


def bundle_folder(ws: Workspace, version: ModelVersion) -> Path:
    """Return the local folder of a registered version's bundle."""
    return places.bundles(ws.state) / version.digest
