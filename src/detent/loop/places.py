"""Where the loop keeps its files inside a project's state folder."""

from __future__ import annotations

from pathlib import Path


def bundles(state: Path) -> Path:
    """Unpacked bundles by manifest digest: what servers load."""
    return state / "bundles"


def environments(state: Path) -> Path:
    """The environments of tools whose packages are none of ours."""
    return state / "environments"


def alerts(state: Path) -> Path:
    """The log channel's file."""
    return state / "alerts.log"


def report(folder: Path) -> Path:
    """Where a simulation leaves its picture and its page."""
    return folder / "report"
