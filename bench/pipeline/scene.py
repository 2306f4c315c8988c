"""What happens between two runs in a row of the truth table."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import environments
from tool import Place, Tool

from project import Project, Writer

Change = Callable[["Scene"], None]
# Databases and logs also hold the answer's text; damage there is another experiment.
NOT_OUTPUTS = {".db", ".db-wal", ".db-shm", ".sqlite", ".log", ".jsonl"}
# Its size tells versions apart: Python trusts compiled code of a module of the same size and time.
UNIT = "def {name}() -> int:\n    return {value}{padding}\n"


@dataclasses.dataclass(slots=True, kw_only=True)
class Scene:
    """A tool's project in the middle of an experiment."""

    tool: Tool
    project: Project
    place: Place
    writer: Writer
    answer: object = None  # of the last run
    note: str = ""  # what was found on the way


def edit(name: str, old: str, new: str) -> Change:
    return lambda scene: scene.writer.edit(name, old, new)


def same_size_and_time(name: str, old: str, new: str) -> Change:
    def change(scene: Scene) -> None:
        path = scene.place.folder / name
        before = path.stat()
        with path.open("r+") as file:
            text = file.read().replace(old, new)
            file.seek(0)
            file.write(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def set_param(name: str, value: object) -> Change:
    return lambda scene: scene.tool.set_params(scene.writer, scene.project, {name: value})


def set_variable(name: str, value: str) -> Change:
    def change(scene: Scene) -> None:
        scene.place.variables[name] = value

    return change


def install(package: str) -> Change:
    return lambda scene: add_package(scene.place.cache, scene.tool.environment, package)


def add_package(cache: Path, environment: str, package: str) -> None:
    """Install a package made for it: `bench-ratio 2.0` has a function `ratio` that gives 2."""
    distribution, version = package.split()
    value = int(version.split(".")[0])
    source = UNIT.format(name=distribution.split("-")[1], value=value, padding=" " * value)
    wheel = environments.make_wheel(cache / "wheels", distribution, version, source)
    environments.install_wheel(cache, environment, wheel)


def remove_packages(cache: Path, environment: str) -> None:
    for distribution in ("bench-ratio", "bench-unrelated"):
        if list((cache / environment).glob(f"lib/*/site-packages/{distribution.replace('-', '_')}.py")):
            environments.uninstall(cache, environment, distribution)


def cosmetics(scene: Scene) -> None:
    """A comment, a docstring and a line break more, in the step and in its helper."""
    scene.writer.edit(
        "step_compute.py",
        '    ran("compute")',
        '    """The sum, scaled."""\n    # Noted first.\n    ran(\n        "compute",\n    )',
    )
    scene.writer.edit(
        "helpers.py", "    return", '    """The sum of numbers in a text, doubled."""\n\n    # Twice.\n    return'
    )


def move(scene: Scene) -> None:
    """The same files in another folder with other times; what the tool keeps outside the project is shared."""
    here = scene.place.folder
    other = here.with_name("elsewhere")
    shutil.copytree(here, other, copy_function=shutil.copy, symlinks=True)
    here.rename(here.with_name("gone"))
    scene.place = dataclasses.replace(scene.place, folder=other)
    scene.writer.folder = other


def delete_output(scene: Scene) -> None:
    stores, copies = scene.tool.copies(scene.place)
    found = [path for folder in (*stores, *copies) for path in holding(folder, _bytes(scene))]
    scene.note = "" if found else "keeps no file with it"
    for path in found:
        path.unlink()


def damage_output(scene: Scene) -> None:
    """One digit of the stored answer becomes another; size, mode and mtime stay, as after bit rot."""
    stores, copies = scene.tool.copies(scene.place)
    answer = _bytes(scene)
    found = [path for folder in stores for path in holding(folder, answer)]
    scene.note = "" if found else "keeps no file with it"
    for path in found:
        before = path.stat()
        path.chmod(0o644)
        with path.open("r+b") as file:
            content = file.read()
            file.seek(0)
            file.write(content.replace(answer, answer[:-1] + b"7"))
        path.chmod(before.st_mode)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for path in [path for folder in copies for path in holding(folder, answer)]:
        path.unlink()


def holding(folder: Path, content: bytes) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix not in NOT_OUTPUTS and path.is_file() and not path.is_symlink() and content in path.read_bytes():
            yield path


def _bytes(scene: Scene) -> bytes:
    return str(scene.answer).encode()
