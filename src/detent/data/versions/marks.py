"""What must stay: digests with the reason why. When in doubt, a blob is needed.

Rows and documents of every room name blobs by 64 hexadecimal digits. A root is therefore read as text: each digest in
it that is a blob stays, and if that blob is a JSON document (a manifest, a graph, a list of files), so does what it
names, and so on. Nothing has to be known about the formats, so a new one can't be forgotten; a digest that stands
somewhere by accident keeps a blob too many.
"""

from __future__ import annotations

import re

from detent.data.versions.entries import File, Folder
from detent.data.versions.tree import contents
from detent.store.blobs import Blobs

LARGEST = 64 << 20  # bytes of a document; a larger JSON file is data
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class Marks:
    """Marks blobs of one store. The first reason that is given for a blob is the one that is shown."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._alive = set(blobs.names())
        self._read: set[str] = set()  # documents
        self._walked: set[str] = set()  # nodes of trees
        self.reasons: dict[str, str] = {}

    def mark(self, digest: str, reason: str) -> None:
        """Keep one blob."""
        self.reasons.setdefault(digest, reason)

    def tree(self, root: Folder | File, reason: str) -> None:
        """Keep all that a version holds; files are data and not read."""
        for digest in contents(root, self._blobs, seen=self._walked):
            self.mark(digest, reason)

    def text(self, text: str, reason: str) -> None:
        """Keep every blob that a text names, and every one that a document among them names.

        Raises:
            StoreError: a document can't be read, so nobody knows what it names.
        """
        waiting = _DIGEST.findall(text.encode())
        while waiting:
            digest = waiting.pop().decode()
            if digest in self._read or digest not in self._alive:
                continue
            self._read.add(digest)
            self.mark(digest, reason)
            waiting += self._named_in(digest)

    def _named_in(self, digest: str) -> list[bytes]:
        with self._blobs.open(digest) as stream:
            if stream.read(1) not in (b"{", b"[") or self._blobs.size(digest) > LARGEST:
                return []
            stream.seek(0)
            return _DIGEST.findall(stream.read())
