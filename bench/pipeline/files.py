"""Versions of data: 100,000 small files, and one large file. Only DVC among the tools has such a thing."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tool import Place, Tool, last_line
from tools.detent import Detent
from tools.dvc import Dvc

FOLDERS = 100  # the files lie in so many folders
CAP = 1800.0


@dataclass(slots=True, kw_only=True)
class Operation:
    """A command on data, timed some times."""

    data: str  # what it was done with
    tool: str
    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """How a tool says it. `data` is the folder or file, beside which the tool works."""

    tool: Tool
    files: Mapping[str, str]  # that a project needs
    init: Sequence[Sequence[str]]
    add: Sequence[str]
    commit: Sequence[Sequence[str]]  # after each version, not timed
    diff: Sequence[str]
    checkout: Sequence[str]
    store: str


def dvc() -> Commands:
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    return Commands(
        tool=Dvc(listed=True),
        files={},
        init=[["git", "init", "--quiet"], ["dvc", "init", "--quiet"], [*git, "commit", "--quiet", "-m", "begin"]],
        add=["dvc", "add", "--quiet", "data"],
        commit=[
            ["git", "add", "data.dvc", ".gitignore"],
            [*git, "commit", "--quiet", "--allow-empty", "-m", "a version"],
        ],
        diff=["dvc", "diff", "HEAD~1", "HEAD"],
        checkout=["dvc", "checkout", "--quiet"],
        store=".dvc/cache",
    )


def detent() -> Commands:
    return Commands(
        tool=Detent(),
        files={"detent.yaml": "project: bench\npipeline: flow.py:main\n"},
        init=[],
        add=["detent", "data", "add", "data", "--name", "data"],
        commit=[],
        diff=["detent", "data", "diff", "data~1", "data", "--files"],
        checkout=["detent", "data", "checkout", "data", "data"],
        store=".detent",
    )


def measure_files(commands: Commands, cache: Path, count: int, size: int, runs: int) -> list[Operation]:
    """Snapshot, snapshot again, one file changed, diff, checkout; the disk that the store takes beside the data."""
    what = f"{count:,} files of {size // 1000:,} kB" if count > 1 else f"one file of {size / 1e9:g} GB"
    place = _place(commands, cache)
    noted: dict[str, Operation] = {}

    def timed(name: str, command: Sequence[str]) -> None:
        found = noted.setdefault(name, Operation(data=what, tool=commands.tool.environment, name=name))
        if found.note:
            return
        found.load.append(os.getloadavg()[0])
        sample = commands.tool.execute(command, place, cap=CAP)
        if sample.stopped or sample.code:
            found.note = f"> {CAP:.0f} s (stopped)" if sample.stopped else f"failed: {last_line(sample, place)}"
            return
        found.wall.append(sample.wall)
        found.cpu.append(sample.cpu)

    for _ in range(runs):
        place = _place(commands, cache)
        _write(place.folder / "data", count, size)
        for name, text in commands.files.items():
            (place.folder / name).write_text(text)
        _each(commands.init, commands, place)
        timed("first version", commands.add)
        used = Operation(data=what, tool=commands.tool.environment, name="the store's size beside the data")
        used.note = f"{_size(place.folder / commands.store) / 1e9:.2f} GB"
        noted.setdefault(used.name, used)
        _each(commands.commit, commands, place)
        timed("again, nothing changed", commands.add)
        _change_one(place.folder / "data", count, size)
        timed("again, one file changed" if count > 1 else "again, one byte changed", commands.add)
        _each(commands.commit, commands, place)
        timed("diff of the two", commands.diff)
        _remove_data(place.folder / "data")
        timed("checkout of everything", commands.checkout)
        last = noted["checkout of everything"]
        if not last.note and not _there(place.folder / "data", count):
            last.note = "files are missing"
    shutil.rmtree(place.folder.parent, ignore_errors=True)
    return list(noted.values())


def _place(commands: Commands, cache: Path) -> Place:
    root = cache / "work" / "files" / commands.tool.environment
    shutil.rmtree(root, ignore_errors=True)
    place = Place(folder=root / "project", home=root / "home", log=root / "log.txt", cache=cache)
    place.folder.mkdir(parents=True)
    place.home.mkdir()
    return place


def _each(lines: Sequence[Sequence[str]], commands: Commands, place: Place) -> None:
    for line in lines:
        commands.tool.prepare(line, place)


def _write(target: Path, count: int, size: int) -> None:
    """Files of random bytes, the same in each run."""
    draws = random.Random(7)
    if count == 1:
        with target.open("wb") as file:
            for _ in range(size // 10_000_000):
                file.write(draws.randbytes(10_000_000))
        return
    for folder in range(FOLDERS):
        (target / f"{folder:02d}").mkdir(parents=True)
    for index in range(count):
        _file(target, index).write_bytes(draws.randbytes(size))


def _file(target: Path, index: int) -> Path:
    return target / f"{index % FOLDERS:02d}" / f"{index:06d}.bin"


def _change_one(target: Path, count: int, size: int) -> None:
    path = target if count == 1 else _file(target, count // 2)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"changed!")


def _remove_data(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()


def _there(target: Path, count: int) -> bool:
    return target.is_file() if count == 1 else sum(1 for path in target.rglob("*.bin")) == count


def _size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


ALL: list[Callable[[], Commands]] = [detent, dvc]
