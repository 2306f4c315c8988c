"""What a project uses of this package itself: the files that stand behind a name, and the packages that they import.

A step that is only marked with `@step` depends on nothing of this package: how results are stored and loaded is part of
the cache key in another way (versions of the codecs). A step that trains depends on the files of `detent.training`, and
not on those of a server. So neither a release nor an upgrade of a web server repeats a training that they can't change.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from detent.pipeline.fingerprint.distributions import digest_of

_ROOT = Path(__file__).parents[3]
_NEUTRAL = ("detent.pipeline", "detent.errors")  # marks and wiring
# How our files name each other: imports stand at the left margin, tables of what is loaded late hold dotted names.
_FROM = re.compile(r"^from (detent[\w.]*) import (\([^)]*\)|[^\n#]+)", re.MULTILINE)
_WHOLE = re.compile(r"^import (detent[\w.]+)", re.MULTILINE)
_LATE = re.compile(r'"(\w+)": "(detent[\w.]+)[:"]')
_OUTSIDE = re.compile(r"^ *(?:import|from) ([A-Za-z_]\w*)", re.MULTILINE)


def behind(names: Iterable[str]) -> tuple[str, frozenset[str]]:
    """Return a digest of the files that stand behind dotted names, and the packages that they import.

    The digest is "" when nothing but marks is used.
    """
    wanted = frozenset(name for name in names if name != "detent" and not name.startswith(_NEUTRAL))
    if not wanted:
        return "", frozenset()
    files = files_behind(wanted)
    packages = {name for file in files for name in _OUTSIDE.findall(_text(file))}
    outside = packages - set(sys.stdlib_module_names) - {"detent"}
    return f"files {digest_of(map(str, files))}", frozenset(outside)


@lru_cache(maxsize=256)
def files_behind(names: frozenset[str]) -> tuple[Path, ...]:
    """Return the files that may be loaded for dotted names, in order.

    What a table names is followed when it lies in a room that is used anyway: trainers by training, checks by gates.
    """
    files: set[Path] = set()
    rooms: set[str] = set()
    late: set[str] = set()
    seen: set[str] = set()
    todo = set(names)
    while todo:
        seen |= todo
        found: set[str] = set()
        for name in todo:
            path, attribute = _file(name)
            if _is_lazy(_text(path)):
                found |= {f"{target}.{one}" for one, target in _LATE.findall(_text(path)) if attribute in ("", one)}
            rooms.add(_room(name))
            for file in {path, *_inits(path)} - files:
                files.add(file)
                if not _is_lazy(_text(file)):
                    found |= set(_imports(_text(file)))
                    late |= {target for _, target in _LATE.findall(_text(file))}
        todo = (found | {name for name in late if _room(name) in rooms}) - seen
    return tuple(sorted(files))


def _imports(text: str) -> Iterator[str]:
    """Give the dotted names that a file imports from this package."""
    yield from _WHOLE.findall(text)
    for source, inside in _FROM.findall(text):
        for word in re.findall(r"\w+", re.sub(r"\bas \w+", "", inside)):
            yield f"{source}.{word}"


def _is_lazy(text: str) -> bool:
    """True for a package that loads its names when they are first used."""
    return "\ndef __getattr__(" in text


def _room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def _file(name: str) -> tuple[Path, str]:
    """Return the file of the module that a dotted name leads to, and the name in it."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = _ROOT.joinpath(*parts[:count])
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file, ".".join(parts[count : count + 1])
    return _ROOT / "detent" / "__init__.py", ""


def _inits(path: Path) -> list[Path]:
    return [file for parent in path.parents if parent != _ROOT and (file := parent / "__init__.py").is_file()]


@lru_cache(maxsize=1024)
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
