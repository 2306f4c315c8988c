"""What happened to each file while a step ran, whoever saw it: the kernel or Python's audit hook."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from importlib.util import source_from_cache
from typing import Any

from detent.pipeline.trace.ignored import Ignored

_ACCESS_MODES = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

Stat = tuple[int, int, int, int, int, int]  # device, inode, size, mtime_ns, ctime_ns, mode


def stat_of(path: str) -> Stat | None:
    """Return what identifies the bytes at a path, None when nothing is there."""
    try:
        found = os.stat(path)  # noqa: PTH116  (asked before each open: a Path would cost more than the call)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)


def names_digest(path: str) -> str:
    """Return the digest of a folder's sorted names without what Python and detent keep; "" if it can't be listed."""
    try:
        names = sorted(name for name in os.listdir(path) if name not in ("__pycache__", ".detent"))  # noqa: PTH208
    except OSError:
        return ""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(slots=True)
class Seen:
    """What a step did to one path."""

    first: Stat | None  # before the step first touched it; None: nothing was there
    read: bool = False  # its content was asked for
    own: bool = False  # whatever it holds, the step made it
    read_own: bool = False  # its content was asked for since
    changed: bool = False
    by_child: bool = False  # a process that the step started asked for its content

    def row(self) -> list[Any]:
        """Return the fields in their order."""
        return [self.first, self.read, self.own, self.read_own, self.changed, self.by_child]

    @property
    def is_folder(self) -> bool:
        """True when the path led to a folder."""
        return self.first is not None and stat.S_ISDIR(self.first[5])

    @property
    def is_file(self) -> bool:
        """True when the path led to a regular file."""
        return self.first is not None and stat.S_ISREG(self.first[5])


@dataclass(slots=True)
class Listing:
    """How often the names in one folder were asked for."""

    digest: str  # of the names at the first time
    by_worker: int = 0
    by_child: int = 0

    def row(self) -> list[Any]:
        """Return the fields in their order."""
        return [self.digest, self.by_worker, self.by_child]


@dataclass(slots=True)
class Notes:
    """All that is known of one step. Each method is told before the thing happens, and not whether it succeeds."""

    ignored: Ignored
    seen: dict[str, Seen] = field(default_factory=dict)
    listings: dict[str, Listing] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    connections: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)  # what could not be looked at
    _own_folders: set[str] = field(default_factory=set)
    _links: dict[str, str] = field(default_factory=dict)  # symbolic links of the step -> where they lead

    def opened(self, path: str, flags: int, *, by_child: bool = False) -> None:
        """A file is about to be opened."""
        mode = flags & _ACCESS_MODES
        if mode == os.O_RDONLY and path.endswith(".pyc") and self.ignored.in_project(path):
            path = _source_of(path)
        found = self._touch(path)
        if found is None:
            return
        makes = bool(flags & os.O_TRUNC) or (found.first is None and bool(flags & os.O_CREAT))
        if mode != os.O_WRONLY and not makes:
            found.read = found.read or not found.own
            found.read_own = found.read_own or found.own
            found.by_child = found.by_child or by_child
        if mode != os.O_RDONLY or makes:
            found.changed = True
        if makes and not found.read:
            found.own = True

    def probed(self, path: str) -> None:
        """Somebody asks whether a path exists."""
        self._touch(path)

    def written(self, path: str) -> None:
        """A file is about to be changed in place."""
        found = self._touch(path)
        if found is not None:
            found.changed = True

    def made_folder(self, path: str) -> None:
        """A folder is about to be made, or found to be there."""
        found = self._touch(path)
        if found is not None and (found.first is None or found.own):
            self._take(found)
            self._own_folders.add(f"{path}/")

    def removed(self, path: str) -> None:
        """A path is about to be removed."""
        if self._links.pop(path, ""):
            return
        found = self._touch(path)
        if found is not None and found.first is not None:
            found.changed = True
            found.own = not found.read  # whatever comes to lie there later
        elif found is not None:
            found.changed = found.own

    def moved(self, old: str, new: str) -> None:
        """A file or folder is about to get another name."""
        if old in self._links:
            self._links[new] = self._links.pop(old)
            return
        self.linked(old, new)
        self.removed(old)

    def linked(self, old: str, new: str) -> None:
        """A second name is about to be given to a file, whose content is then read under either."""
        source = self._touch(old)
        if source is not None and source.first is not None and not source.own:
            source.read = True
        target = self._touch(new)
        if target is not None:
            self._take(target)
            if f"{old}/" in self._own_folders:
                self._own_folders.add(f"{new}/")

    def symlinked(self, target: str, path: str) -> None:
        """A symbolic link is about to be made; who opens it reads what it leads to."""
        found = self._touch(path)
        if found is not None:
            self._take(found)
        self._links[path] = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120

    def listed(self, path: str, *, by_child: bool = False) -> None:
        """The names in a folder are about to be read."""
        path = self._behind_links(path)
        if path in self.ignored or self._is_own(path):
            return
        listing = self.listings.get(path)
        if listing is None:
            listing = self.listings[path] = Listing(names_digest(path))
        if by_child:
            listing.by_child += 1
        else:
            listing.by_worker += 1

    def ran(self, path: str) -> None:
        """A program is about to be started."""
        if stat_of(path) is not None:  # a shell's search tries every folder
            self.children.add(path)
            self.opened(path, os.O_RDONLY, by_child=True)

    def report(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "seen": {path: found.row() for path, found in self.seen.items()},
            "listings": {path: listing.row() for path, listing in self.listings.items()},
            "children": sorted(self.children),
            "connections": sorted(self.connections),
            "unseen": sorted(self.unseen),
        }

    def _touch(self, path: str) -> Seen | None:
        """Return what is known of a path, None when it is ignored."""
        if self._links:
            path = self._behind_links(path)
        found = self.seen.get(path)
        if found is None and path not in self.ignored:
            own = self._is_own(path)
            found = self.seen[path] = Seen(None if own else stat_of(path), own=own)
        return found

    def _take(self, found: Seen) -> None:
        found.changed = True
        found.own = found.own or not found.read

    def _is_own(self, path: str) -> bool:
        if not self._own_folders:
            return False
        above = path
        while (above := above.rpartition("/")[0]) != "":
            if f"{above}/" in self._own_folders:
                return True
        return f"{path}/" in self._own_folders

    def _behind_links(self, path: str) -> str:
        for _ in range(40):  # the kernel's own limit
            link = next((link for link in self._links if path == link or path.startswith(f"{link}/")), None)
            if link is None:
                return path
            path = self._links[link] + path[len(link) :]
        return path


def told(report: dict[str, Any], ignored: Ignored) -> Notes:
    """Return the notes that a report was made from."""
    return Notes(
        ignored,
        {path: Seen(_stat(first), *rest) for path, (first, *rest) in report["seen"].items()},
        {path: Listing(*row) for path, row in report["listings"].items()},
        set(report["children"]),
        set(report["connections"]),
        set(report["unseen"]),
    )


def _stat(row: list[int] | None) -> Stat | None:
    return None if row is None else (row[0], row[1], row[2], row[3], row[4], row[5])


def _source_of(path: str) -> str:
    """Return the source that a compiled file stands for: that one is what a project holds."""
    try:
        return source_from_cache(path)
    except ValueError:
        return path
