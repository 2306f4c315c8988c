"""The route page: which versions answer at which endpoint. Every worker reads it on every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from detent.records.route import Route
from detent.serving.pages.page import Kind, Page

PAGE_BYTES = 64 << 10
Table = Mapping[str, Route]

_DECODER = msgspec.json.Decoder(tuple[Route, ...])


def _table(payload: bytes) -> Table:
    return MappingProxyType({route.endpoint: route for route in _DECODER.decode(payload)})


_KIND: Kind[Table] = Kind(
    noun="the routes",
    magic=b"detent routes 1\0",
    size=PAGE_BYTES,
    empty=MappingProxyType({}),
    decode=_table,
    too_many="serve fewer endpoints from one state folder",
    lost="move the file away; the routes are written anew from the registry at the next deployment",
)


class RoutePage(Page[Table]):
    """The shared table of routes; see `Page`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _KIND)

    def write(self, routes: Sequence[Route]) -> int:
        """Replace the whole table and return its sequence number; when it returns, every reader's next read sees it.

        Raises:
            StoreError: the table does not fit into the page, or the disk can't be written; the old table stays.
        """
        payload = msgspec.json.encode(list(routes))
        return self.put(lambda: payload)
