"""Merkle trees of entries: written as a stream, read lazily, equal parts stored once.

A folder's entries are sorted by name and cut into leaves of at most 1,000. Where a leaf ends is decided by the names
alone, so one file more or less changes one leaf and not all that follow (Rabin's trick, as in Noms' prolly trees). A
folder with few entries is written into its parent; a folder of one leaf is that leaf; a larger one is a list of leaves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from detent.data.versions import entries
from detent.data.versions.entries import Entry, File, Folder, Link
from detent.errors import TamperedError
from detent.store.blobs import Blobs
from detent.store.canonical import canonical
from detent.store.canonical import digest as digest_bytes

MOST = 1_000  # entries of a leaf, those of folders that are written into it counted too
USUAL = 256  # entries of a leaf on average
WAITING = 200  # nodes that are stored together
SMALL = 32  # a folder of no more entries is written into its parent's leaf
MANIFEST, NODE = "detent.manifest.v1", "detent.tree.v1"

Path = tuple[str, ...]  # names from the root down


class TreeWriter:
    """Takes entries depth first, each folder's sorted by name, and stores finished nodes.

    Holds one unfinished leaf per open folder, however many files there are. For one thread.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._nodes = _Nodes(blobs)
        self._open: list[_FolderWriter] = [_FolderWriter("", self._nodes)]
        self._names: list[str] = []

    def add(self, path: Path, entry: Entry | None) -> None:
        """Add a file or link (`entry`), or open the folder at `path` (None)."""
        self._close_to(path[:-1])
        if entry is None:
            self._open.append(_FolderWriter(path[-1], self._nodes))
            self._names.append(path[-1])
        else:
            self._open[-1].append(entry)

    def finish(self) -> Folder:
        """Close every folder and return the root; from now on all of it is stored."""
        self._close_to(())
        root = self._open[0].finish()
        self._nodes.flush()
        return root

    def _close_to(self, path: Sequence[str]) -> None:
        shared = 0
        while shared < min(len(path), len(self._names)) and path[shared] == self._names[shared]:
            shared += 1
        while len(self._names) > shared:
            folder = self._open.pop().finish()
            self._names.pop()
            self._open[-1].append(folder)


class _Nodes:
    """Nodes on their way into the store, many at once: the store waits for the disk once per call."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._waiting: list[bytes] = []

    def put(self, kind: str, value: object) -> str:
        data = canonical({"format": NODE, kind: value})
        self._waiting.append(data)
        if len(self._waiting) >= WAITING:
            self.flush()
        return digest_bytes(data)

    def flush(self) -> None:
        self._blobs.put_many(self._waiting)
        self._waiting = []


class _FolderWriter:
    def __init__(self, name: str, nodes: _Nodes) -> None:
        self._name, self._nodes = name, nodes
        self._buffer: list[Entry] = []
        self._weight = 0
        self._leaves: list[list[Any]] = []
        self._files = self._bytes = 0

    def append(self, entry: Entry) -> None:
        weight = _weight(entry)
        if self._weight + weight > MOST:
            self._flush()
        self._buffer.append(entry)
        self._weight += weight
        files, size = totals(entry)
        self._files += files
        self._bytes += size
        # A folder that may still turn out to be small has no leaf yet.
        if _ends_leaf(entry.name, weight) and (self._leaves or self._weight > SMALL):
            self._flush()

    def finish(self) -> Folder:
        ref: str | tuple[Entry, ...]
        if not self._leaves and self._weight <= SMALL:
            ref = tuple(self._buffer)
        else:
            self._flush()
            ref = self._leaves[0][0] if len(self._leaves) == 1 else self._nodes.put("leaves", self._leaves)
        return Folder(name=self._name, files=self._files, bytes=self._bytes, ref=ref)

    def _flush(self) -> None:
        if self._buffer:
            digest = self._nodes.put("entries", [entries.write(entry) for entry in self._buffer])
            self._leaves.append([digest, self._buffer[0].name, len(self._buffer)])
            self._buffer, self._weight = [], 0


def build(found: Iterable[tuple[Path, Entry | None]], blobs: Blobs) -> Folder:
    """Store a tree from (path, entry) pairs in the order of `TreeWriter.add`, and return its root."""
    writer = TreeWriter(blobs)
    for path, entry in found:
        writer.add(path, entry)
    return writer.finish()


def store_manifest(root: Folder | File, blobs: Blobs) -> str:
    """Store a manifest and return its digest: the id of a version. A dataset is a folder or one file."""
    return blobs.put(canonical({"format": MANIFEST, "root": entries.write(root)}))


def load_manifest(digest: str, blobs: Blobs) -> Folder | File:
    """Return the root of a version.

    Raises:
        StoreError: the manifest is not in the store.
        TamperedError: it is damaged, or is no manifest.
    """
    root = entries.read(_load(digest, MANIFEST, blobs)["root"], 0, root=True)
    if isinstance(root, Link):
        raise _not_a(digest, MANIFEST, "its root is a link")
    return root


def children(folder: Folder, blobs: Blobs, depth: int) -> Iterator[Entry]:
    """Yield a folder's entries by name; `depth` counts the folders above them (0: they stand in the root)."""
    if not isinstance(folder.ref, str):
        yield from folder.ref
        return
    node = _load(folder.ref, NODE, blobs)
    if "entries" in node:
        yield from _entries(folder.ref, node, depth)
        return
    for leaf in node.get("leaves", ()):
        yield from leaf_entries(leaf[0], blobs, depth)


def leaves(folder: Folder, blobs: Blobs) -> tuple[str, ...]:
    """Return the digests of a large folder's leaves; () for a folder of one leaf or none."""
    if not isinstance(folder.ref, str):
        return ()
    return tuple(str(leaf[0]) for leaf in _load(folder.ref, NODE, blobs).get("leaves", ()))


def leaf_entries(digest: str, blobs: Blobs, depth: int) -> Iterator[Entry]:
    """Yield the entries of a leaf by name."""
    return _entries(digest, _load(digest, NODE, blobs), depth)


def walk(root: Folder, blobs: Blobs, at: Path = ()) -> Iterator[tuple[Path, Entry]]:
    """Yield every entry below a folder, which stands `at` a path, depth first, a folder before what is in it.

    Not recursive: folders may be nested deeper than Python's stack.
    """
    stack: list[tuple[Path, Iterator[Entry]]] = [(at, children(root, blobs, len(at)))]
    while stack:
        above, rest = stack[-1]
        entry = next(rest, None)
        if entry is None:
            stack.pop()
            continue
        path = (*above, entry.name)
        yield path, entry
        if isinstance(entry, Folder):
            stack.append((path, children(entry, blobs, len(path))))


def listing(root: Folder | File, blobs: Blobs) -> Iterator[tuple[Path, Entry]]:
    """Yield every entry of a dataset with its path; a dataset that is one file gives that file."""
    if isinstance(root, File):
        yield (root.name,), root
    else:
        yield from walk(root, blobs)


def contents(root: Folder | File, blobs: Blobs, *, seen: set[str] | None = None) -> Iterator[str]:
    """Yield the digest of every blob below a manifest, nodes and files: what a version needs to live.

    Nodes in `seen` are passed over with all that is below them, and those that are yielded are added to it: for many
    versions of one dataset, what they share is read once.
    """
    seen = set() if seen is None else seen
    waiting: list[tuple[Entry, int]] = [(root, -1)]
    while waiting:
        entry, depth = waiting.pop()
        if isinstance(entry, File):
            yield entry.digest
        elif isinstance(entry, Folder):
            below = depth + 1
            if not isinstance(entry.ref, str):
                waiting += [(child, below) for child in entry.ref]
                continue
            for node in (entry.ref, *leaves(entry, blobs)):
                if node not in seen:
                    seen.add(node)
                    yield node
                    waiting += [(child, below) for child in leaf_entries(node, blobs, below)]


def totals(entry: Entry) -> tuple[int, int]:
    """Return (files, bytes) of an entry."""
    if isinstance(entry, File):
        return 1, entry.size
    return (0, 0) if isinstance(entry, Link) else (entry.files, entry.bytes)


def _entries(digest: str, node: dict[str, Any], depth: int) -> Iterator[Entry]:
    last = ""
    for plain in node.get("entries", ()):
        entry = entries.read(plain, depth)
        if entry.name <= last:
            raise _not_a(digest, NODE, f"`{entry.name}` does not follow `{last}`")
        last = entry.name
        yield entry


def _weight(entry: Entry) -> int:
    if isinstance(entry, Folder) and not isinstance(entry.ref, str):
        return 1 + sum(_weight(child) for child in entry.ref)
    return 1


def _ends_leaf(name: str, weight: int) -> bool:
    """True with probability weight / USUAL, decided by the name: leaves have about equal numbers of entries."""
    drawn = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
    return drawn * USUAL < weight << 32


def _load(digest: str, wanted: str, blobs: Blobs) -> dict[str, Any]:
    try:
        plain = json.loads(blobs.get(digest))
    except ValueError as error:
        raise _not_a(digest, wanted, str(error)) from error
    if not isinstance(plain, dict) or plain.get("format") != wanted:
        raise _not_a(digest, wanted, "its format says otherwise")
    return plain


def _not_a(digest: str, wanted: str, why: str) -> TamperedError:
    return TamperedError(
        what=f"{digest[:12]} is no {wanted}",
        why=why,
        fix="name a version of a dataset, as `detent data log` shows it",
    )
