"""Versions of many small files and of one large one: wall time, memory and disk of each command.

    python bench/data/measure.py /somewhere/with/space --files 100000 --size 10000
    python bench/data/measure.py /somewhere/with/space --files 1 --size 20000000000

Every phase is a process of its own; memory is its highest resident size, disk is what `du` counts (hard links once).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

BLOCK = 8 << 20


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("--files", type=int, default=100_000)
    asked.add_argument("--size", type=int, default=10_000, help="bytes of each file")
    asked.add_argument("--phase", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.phase:
        _phase(given.folder / "work", given.phase)
        return
    work = given.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    _make(work / "in", given.files, given.size)
    os.sync()
    time.sleep(3)  # a file that was written less than 2 s before it is read is read again next time
    print(f"{given.files:,} files of {given.size:,} bytes; load {os.getloadavg()[0]:.1f}")
    before = _disk(work)
    for phase in PHASES:
        if phase == "add again, one changed":
            _change(work / "in", given.files)
        if phase == "add with --move":
            shutil.rmtree(work / "out")
            shutil.rmtree(work / "out read-only")
            shutil.rmtree(work / ".detent")
            before = _disk(work)
        command = [sys.executable, __file__, str(given.folder), "--phase", phase]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        after = _disk(work)
        spent = f"{found['seconds']:8.2f} s {found['cpu']:7.2f} s CPU {found['mb']:5.0f} MB memory"
        print(f"{phase:24s} {spent} {(after - before) / 1e6:+9.1f} MB disk  {found['said']}", flush=True)
        before = after
    shutil.rmtree(work)


def _phase(work: Path, phase: str) -> None:
    began = time.perf_counter()
    said = PHASES[phase](work)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mb": _peak() / 1000, "said": said}))


def _peak() -> int:
    """Return the highest resident size in kB. Not `ru_maxrss`: Linux hands the parent's down to its children."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def _archive(work: Path):
    from detent.data.versions.archive import Archive
    from detent.store.blobs import open_blobs
    from detent.store.clock import SystemClock
    from detent.store.database import open_database
    from detent.store.migrate import migrate

    state = work / ".detent"
    db = open_database(state / "detent.db")
    migrate(db, ["detent.store", "detent.data"])
    blobs = open_blobs(str(state / "blobs"))
    return Archive(db=db, blobs=blobs, clock=SystemClock(), actor="bench", folder=work, state=state)


def _add(work: Path, *, move: bool = False) -> str:
    from detent.data.versions.archive import Wish, add_version

    done = add_version(_archive(work), str(work / "in"), Wish(name="d", move=move))
    return f"read {done.read_files:,} files"


def _diff(work: Path) -> str:
    from detent.data.versions.compare import compare
    from detent.data.versions.names import resolve

    archive = _archive(work)
    old, new = (resolve(archive.db, archive.blobs, text) for text in ("d~1", "d"))
    return f"{len(compare(old, new, archive.blobs).files.changed):,} changed"


def _checkout(work: Path, name: str, *, read_only: bool) -> str:
    from detent.data.versions.checkout import Checkout, check_out
    from detent.data.versions.names import resolve
    from detent.data.versions.parallel import silent
    from detent.data.versions.store import root_of

    archive = _archive(work)
    version = resolve(archive.db, archive.blobs, "d")
    how = Checkout(blobs=archive.blobs, memos=archive.memos, advance=silent("", 0, 0), read_only=read_only)
    done = check_out(root_of(version, archive.blobs), work / name, how)
    return f"{dict(done.written)}, {done.kept:,} kept"


def _mark(work: Path) -> str:
    from detent.data.versions.marks import Marks
    from detent.data.versions.names import resolve
    from detent.data.versions.store import root_of
    from detent.data.versions.sweep import Patience, examine

    archive = _archive(work)
    marks = Marks(archive.blobs)
    marks.tree(root_of(resolve(archive.db, archive.blobs, "d"), archive.blobs), "newest version")
    found = examine(archive.blobs, marks, {}, patience=Patience(), now=archive.clock.now())
    return f"{found.kept['newest version'].blobs:,} blobs needed, {found.young.blobs:,} not"


PHASES = {
    "add": _add,
    "add again": _add,
    "add again, one changed": _add,
    "diff": _diff,
    "checkout": lambda work: _checkout(work, "out", read_only=False),
    "checkout again": lambda work: _checkout(work, "out", read_only=False),
    "checkout --read-only": lambda work: _checkout(work, "out read-only", read_only=True),
    "gc, dry run": _mark,
    "add with --move": lambda work: _add(work, move=True),
}


def _make(folder: Path, files: int, size: int) -> None:
    for number in range(files):
        place = folder / f"d{number // 1000:04d}"
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"f{number:07d}.bin").open("wb") as file:
            for start in range(0, size, BLOCK):
                file.write(os.urandom(min(BLOCK, size - start)))


def _change(folder: Path, files: int) -> None:
    number = files // 2
    with (folder / f"d{number // 1000:04d}" / f"f{number:07d}.bin").open("r+b") as file:
        file.write(b"changed")


def _disk(folder: Path) -> int:
    seen: dict[int, int] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        seen[status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


if __name__ == "__main__":
    main()
