"""What was noted while a step ran -> what it depends on besides its inputs, and what it did besides returning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detent.pipeline.trace.notes import Notes, Seen, names_digest, stat_of
from detent.pipeline.trace.reads import ABSENT, PRESENT, Memo, Read, digest_read
from detent.store.canonical import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One step's dealings with the world. Files in the project are named relative to its folder."""

    reads: tuple[Read, ...] = ()  # in order; the result counts only while these are unchanged
    writes: tuple[str, ...] = ()  # files inside the project folder that it made, changed or removed
    connections: tuple[str, ...] = ()  # "host:port" as looked up, as connected to, "unix:/path"
    children: tuple[str, ...] = ()  # programs that it started; never their arguments, which may hold secrets
    unstable: tuple[str, ...] = ()  # changed while it ran, by itself or others: nobody knows what it saw
    refused: tuple[str, ...] = ()  # asked for, there, and not permitted
    unseen: tuple[str, ...] = ()  # what the tracer failed to look at; such a result must not be trusted
    means: str = ""  # how all this is known


@dataclass(slots=True)
class Findings:
    """Notes, put together with what Python knows, on their way to an observation."""

    notes: Notes
    importers: Mapping[str, int]  # folders -> how often they were listed to find modules
    executed: Mapping[str, str]  # Python files -> digest of the bytes that ran, "" if unknown
    module_folders: frozenset[str]  # where interpreters among the children look for modules
    memo: Memo
    reads: list[Read] = field(default_factory=list)
    unstable: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    _changed_folders: set[str] = field(default_factory=set)  # in which the step made or removed something

    def conclude(self, variables: Mapping[str, str], hosts: set[str], means: str) -> Observation:
        """Take the digests and return the observation."""
        self._changed_folders = {path.rpartition("/")[0] for path, found in self.notes.seen.items() if found.changed}
        for path, source in self.executed.items():
            self._execute(path, source)
        for path, found in self.notes.seen.items():
            self._touched(path, found)
        for path in self.notes.listings:
            self._folder(path)
        self.reads += [Read(kind="env", name=name, digest=value) for name, value in variables.items()]
        return Observation(
            reads=tuple(sorted(_without_implied(self.reads))),
            writes=tuple(sorted(self._writes())),
            connections=tuple(sorted(self.notes.connections | hosts)),
            children=tuple(sorted(self.notes.children)),
            unstable=tuple(sorted(self.unstable)),
            refused=tuple(sorted(self.refused)),
            unseen=tuple(sorted(self.notes.unseen)),
            means=means,
        )

    def _name(self, path: str) -> str:
        ignored = self.notes.ignored
        if path == ignored.folder:
            return "."
        return path[len(ignored.folder) + 1 :] if ignored.in_project(path) else path

    def _digest(self, kind: str, path: str) -> str:
        return digest_read(kind, path, Path("/"), self.memo)

    def _execute(self, path: str, source: str) -> None:
        """A Python file was executed."""
        found = self.notes.seen.get(path)
        if path in self.notes.ignored or (found is not None and found.own):
            return
        if source:
            changed = not Path(path).is_file() or digest(Path(path).read_bytes()) != source
        else:
            changed = found is not None and found.read and _differs(path, found)
        if changed:
            self.unstable.add(self._name(path))
        self.reads.append(Read(kind="import", name=self._name(path), digest=self._digest("import", path)))

    def _touched(self, path: str, found: Seen) -> None:
        """A path was named in a call; what kind of read is that, if any?"""
        if path in self.executed:
            return
        if found.is_folder and found.read and not _may_list(path):
            self.refused.add(self._name(path))
        was_read = found.read or (found.read_own and found.first is not None and not _differs(path, found))
        if found.is_folder or not was_read:
            self._present(path, found)
        elif found.first is None:
            self._absent(path, found)
        elif found.is_file:  # and no pipe, socket or device
            self._content(path, found)

    def _content(self, path: str, found: Seen) -> None:
        """The content of a file was asked for."""
        kind = "import" if found.by_child and path.endswith(".py") else "file"
        value = self._digest(kind, path)
        if _differs(path, found):
            self.unstable.add(self._name(path))
        elif value == ABSENT:
            self.refused.add(self._name(path))
        self.reads.append(Read(kind=kind, name=self._name(path), digest=value))

    def _absent(self, path: str, found: Seen) -> None:
        """The content of a file was asked for that was not there."""
        if self.notes.ignored.is_passing(path):
            return
        if stat_of(path) is not None and not found.changed:
            self.unstable.add(self._name(path))  # it came from elsewhere while the step ran
        self.reads.append(Read(kind="file", name=self._name(path), digest=ABSENT))

    def _present(self, path: str, found: Seen) -> None:
        """Somebody asked whether a path exists, and no more."""
        if found.own or found.changed or self.notes.ignored.is_passing(path):
            return
        if found.is_folder and not self.notes.ignored.in_project(path):
            return  # the way to other files
        self.reads.append(Read(kind="file", name=self._name(path), digest=PRESENT if found.first else ABSENT))

    def _folder(self, path: str) -> None:
        listing = self.notes.listings[path]
        by_child = listing.by_child if path not in self.module_folders else 0
        if listing.by_worker <= self.importers.get(path, 0) and not by_child:
            return
        seen = self.notes.seen.get(path)
        if seen is not None and seen.changed:
            return  # the step removed it whole: that it listed it first does not matter
        if path not in self._changed_folders and names_digest(path) != listing.digest:
            self.unstable.add(self._name(path))
        self.reads.append(Read(kind="folder", name=self._name(path), digest=listing.digest))

    def _writes(self) -> set[str]:
        ignored = self.notes.ignored
        return {
            self._name(path)
            for path, found in self.notes.seen.items()
            if found.changed and ignored.in_project(path) and _differs(path, found)
        }


def _differs(path: str, found: Seen) -> bool:
    """Return False when a path is as it was: what the step tried to do to it failed, or was undone."""
    return stat_of(path) != found.first


def _may_list(path: str) -> bool:
    try:
        os.scandir(path).close()
    except OSError:
        return False
    return True


def _without_implied(reads: list[Read]) -> set[Read]:
    """Leave out that folders exist whose files were read."""
    needed = {read.name for read in reads if read.digest not in (PRESENT, ABSENT) and read.kind != "env"}
    above = {parent for name in needed for parent in _parents(name)}
    return {read for read in reads if read.digest != PRESENT or (read.name not in needed and read.name not in above)}


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
