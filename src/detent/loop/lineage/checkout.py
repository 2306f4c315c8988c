"""Which commit a run's code came from, asked of git when the run begins: later it would be another one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from detent.records.lineage import Checkout
from detent.tracking.openlineage.facets import without_secrets

SECONDS = 5.0  # for each question; git on a sleeping network disk must not hold up a run
_CODE = ("*.py", "detent.yaml")  # what a run's code is; data that changed makes no code dirty


def read_checkout(folder: Path) -> Checkout | None:
    """Return the commit of the folder; None when it is in no git repository, or git is not there."""
    place = _git(folder, "rev-parse", "--show-prefix", "HEAD")
    if place is None:
        return None
    path, _, commit = place.partition("\n")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", *_CODE)
    return Checkout(
        commit=commit.strip(),
        dirty=changes is None or bool(changes.strip()),
        branch=(_git(folder, "symbolic-ref", "--short", "-q", "HEAD") or "").strip(),
        repository=without_secrets((_git(folder, "config", "--get", "remote.origin.url") or "").strip()),
        path=path.strip().strip("/"),
    )


def checkout_fact(folder: Path) -> dict[str, Any]:
    """Return what `run.started` keeps in `observed`: {"checkout": ...}, or {} outside git."""
    found = read_checkout(folder)
    return {} if found is None else {"checkout": asdict(found)}


def checkout_of(observed: Mapping[str, Any]) -> Checkout | None:
    """Return what `checkout_fact` wrote into an event; None when it wrote nothing."""
    found = observed.get("checkout")
    return Checkout(**found) if isinstance(found, dict) else None


def _git(folder: Path, *arguments: str) -> str | None:
    # Without optional locks: a look must not get into the way of the user's own git.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None
