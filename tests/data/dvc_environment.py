"""The real DVC in an environment of its own, made once per machine: its dependencies must not meet ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from detent.store.lock import held_lock

VERSION = "3.67.1"
_QUIET = {"DVC_NO_ANALYTICS": "1", "CI": "1", "HOME": tempfile.gettempdir()}  # no user settings, nothing sent


def dvc_command() -> Path:
    """Return the `dvc` program, installed from the package index when this machine does not have it yet."""
    folder = Path(tempfile.gettempdir()) / f"detent-dvc-{VERSION}-py{sys.version_info[0]}{sys.version_info[1]}"
    program = folder / "bin" / "dvc"
    done = folder / "installed"
    if not done.exists():
        with held_lock(folder.with_suffix(".lock"), what="DVC is being installed", why="by {pid}", fix="wait"):
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
            install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", f"dvc=={VERSION}"]
            subprocess.run(install, check=True, timeout=600)
            done.touch()
    return program


def run_dvc(cwd: Path, *words: str) -> str:
    """Run `dvc` in a folder and return what it printed.

    Raises:
        AssertionError: it failed.
    """
    done = subprocess.run(
        [str(dvc_command()), *words],
        cwd=cwd, capture_output=True, text=True, timeout=180, env={**os.environ, **_QUIET},
    )  # fmt: skip
    assert done.returncode == 0, f"dvc {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout
