"""Installed distributions: which one brings an import, what does it require, and what are its bytes?

`importlib.metadata` answers the same and takes half a second for it where a hundred packages are installed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from detent.pipeline.fingerprint.keep import Shelf
from detent.pipeline.fingerprint.locate import NATIVE_SUFFIXES, all_files
from detent.pipeline.fingerprint.markers import holds

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_HEADERS = re.compile(r"^Requires-Dist: *(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One installed distribution."""

    name: str  # normalised: "scikit-learn"
    version: str
    info: Path  # its `.dist-info` folder

    def identity(self) -> str:
        """Return the version; of what was installed from a folder or a repository, with a digest of its files.

        Such a distribution (PEP 610) may be built again under the same version.
        """
        origin = _read(self.info / "direct_url.json")
        if not origin:
            return self.version
        about = json.loads(origin)
        if about.get("dir_info", {}).get("editable"):
            folder = unquote(urlsplit(about.get("url", "")).path)
            return f"{self.version} files {digest_of(sources_below(folder))}"
        lines = [line for line in _read(self.info / "RECORD").splitlines() if _is_content(line, self.info.name)]
        return f"{self.version} record {hashlib.sha256(''.join(sorted(lines)).encode()).hexdigest()[:16]}"

    def requirements(self) -> list[tuple[str, str, str]]:
        """Return (name, extras, marker) of what it requires."""
        path = next((path for name in ("METADATA", "PKG-INFO") if (path := self.info / name).is_file()), None)
        return _requirements(str(path), path.stat().st_mtime_ns) if path else []


class Installed:
    """The distributions of some folders of the search path, as they are when they are first asked for."""

    def __init__(self, folders: Iterable[str], shelf: Shelf | None = None) -> None:
        self._folders = list(folders)
        self._shelf = shelf

    @cached_property
    def by_name(self) -> dict[str, Distribution]:
        """All distributions by normalised name; of two with one name the first on the search path counts."""
        found: dict[str, Distribution] = {}
        for folder in self._folders:
            for info in sorted(Path(folder).glob("*.*-info")):
                name, _, version = info.name.rpartition(".")[0].partition("-")
                key = normalised(name)
                found.setdefault(key, Distribution(key, version.partition("-py")[0] or _version(info), info))
        return found

    def providers(self, module: str) -> list[Distribution]:
        """Return the distributions that bring a top-level module; several for a namespace package."""
        return self._by_module.get(module, [])

    def closure(self, roots: Iterable[Distribution]) -> dict[str, Distribution | None]:
        """Return distributions and all that they require here, by name; None for one that is not installed.

        Extras count where a requirement asks for them.
        """
        found: dict[str, Distribution | None] = {}
        seen: set[tuple[str, str]] = set()
        todo = [(root.name, "") for root in roots]
        while todo:
            name, extra = todo.pop()
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            one = found[name] = self.by_name.get(name)
            for required, extras, marker in one.requirements() if one else ():
                if not marker or holds(marker, extra):
                    todo.append((required, ""))
                    todo += [(required, wanted.strip()) for wanted in extras.split(",") if wanted.strip()]
        return found

    @cached_property
    def _by_module(self) -> dict[str, list[Distribution]]:
        found: dict[str, list[Distribution]] = {}
        for name, modules in self._modules().items():
            for module in modules:
                found.setdefault(module, []).append(self.by_name[name])
        return found

    def _modules(self) -> Mapping[str, list[str]]:
        """Return the top-level modules of each distribution."""
        infos = sorted((name, str(one.info), one.info.stat().st_mtime_ns) for name, one in self.by_name.items())
        key = repr(infos)
        kept = self._shelf.get("modules of distributions", key) if self._shelf else None
        if kept is None:
            kept = {name: sorted(_modules(info, changed)) for name, info, changed in infos}
            if self._shelf:
                self._shelf.put("modules of distributions", key, kept)
        return kept


def normalised(name: str) -> str:
    """Return the one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def sources_below(folder: str) -> list[str]:
    """Return the Python files and compiled extensions below a folder, in order."""
    return sorted(path for path in all_files(folder) if path.endswith((".py", *NATIVE_SUFFIXES)))


def digest_of(paths: Iterable[str]) -> str:
    """Return a short digest of what some files hold, whatever they are called."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=4096)
def _modules(info: str, _mtime: int) -> frozenset[str]:
    """Return the top-level modules that a distribution brings."""
    listed = _read(Path(info) / "top_level.txt").split()
    record = _read(Path(info) / "RECORD")
    if not record:
        return frozenset(listed or [Path(info).name.partition("-")[0]])
    heads = {
        line.partition("/")[0] if "/" in line.partition(",")[0] else line.partition(",")[0]
        for line in record.splitlines()
    }
    return frozenset({head.strip('"').partition(".")[0] for head in heads} | set(listed))


@lru_cache(maxsize=4096)
def _requirements(metadata: str, _mtime: int) -> list[tuple[str, str, str]]:
    head = _read(Path(metadata)).partition("\n\n")[0]
    found = []
    for line in _HEADERS.findall(head):
        requirement, _, marker = line.partition(";")
        match = _REQUIREMENT.match(requirement)
        if match:
            found.append((normalised(match[1]), match[2] or "", marker.strip()))
    return found


def _version(info: Path) -> str:
    match = re.search(r"^Version: *(.*)$", _read(info / "METADATA") or _read(info / "PKG-INFO"), re.MULTILINE)
    return match[1].strip() if match else ""


def _is_content(line: str, info: str) -> bool:
    """True for a line of RECORD about a file whose bytes do not depend on where and how it was installed."""
    path = line.partition(",")[0].strip('"')
    return not path.startswith((f"{info}/", "../")) and not path.endswith(".pyc")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
