"""One run at a time in a project's state folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from detent.store.lock import held_lock


def run_lock(path: Path) -> AbstractContextManager[None]:
    """Hold the lock file while the block runs. The system lets go of it when the process dies, however it dies.

    Raises:
        BusyError: another run holds it; its process id is named.
    """
    return held_lock(
        path,
        what="another run is going on in this project",
        why="process {pid} holds the run lock",
        fix="wait until it ends, or end process {pid}",
    )
