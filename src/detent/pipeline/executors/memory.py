"""How much memory a process and its children use, and how much the machine has. Read from /proc; 0 where it is not."""

from __future__ import annotations

import os
from pathlib import Path


def used_memory(group: int) -> int:
    """Return the bytes of memory (proportional set size where the kernel tells, else resident) of a process group."""
    return sum(_used(Path(entry.path)) for entry in os.scandir("/proc") if entry.name.isdigit() and _in(entry, group))


def machine_memory() -> int:
    """Return the machine's memory in bytes; a container's limit counts when it is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            return min(total, int(limit.read_text()))
        except (OSError, ValueError):  # no such controller, or "max"
            continue
    return total


def _in(entry: os.DirEntry[str], group: int) -> bool:
    try:
        return os.getpgid(int(entry.name)) == group
    except OSError:
        return False


def _used(process: Path) -> int:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        pass
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
