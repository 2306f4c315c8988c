"""Other projects' tools, each in an environment of its own that is made once per machine: their dependencies must not
meet ours."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from detent.store.lock import held_lock


def environment(*requirements: str) -> Path:
    """Return the `bin` folder of an environment with these packages, installed from the package index if need be."""
    digest = sha256(" ".join(requirements).encode()).hexdigest()[:8]
    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    folder = Path(tempfile.gettempdir()) / f"detent-tools-{digest}-{python}"
    done = folder / "installed"
    if not done.exists():
        with held_lock(folder.with_suffix(".lock"), what="tools are being installed", why="by {pid}", fix="wait"):
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
            install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *requirements]
            subprocess.run(install, check=True, timeout=600)
            done.touch()
    return folder / "bin"
