"""What each way of writing predict requests has to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import Problem
from detent.serving.rows.answers import Line
from detent.serving.rows.validate import LooseRequest, Request, RowReader

JSON = b"application/json"

Headers = Mapping[
    bytes, bytes
]  # those of `hot.READ`, names in lower case; of a header that was sent twice the last one


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What goes back to the caller."""

    status: int
    kind: bytes  # content type
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Format(Protocol):
    """Reads a request's body and writes its answer. Holds no state; what `write` needs travels in the request."""

    def read(
        self, endpoint: Endpoint, reader: RowReader | None, body: bytes, headers: Headers
    ) -> Request | LooseRequest:
        """Return the rows of a body; `reader` is None when the versions of the endpoint want different inputs.

        Raises:
            Problem: 400 when the body is not what the format asks for, 422 when rows do not fit the signature.
        """
        ...

    def write(self, endpoint: Endpoint, request: Request | LooseRequest, lines: Sequence[Line]) -> Reply:
        """Return the answer; `lines` are in the order of the rows, and at least one has a score."""
        ...

    def refuse(self, problem: Problem) -> Reply:
        """Return the answer to a request that can't be answered as asked."""
        ...
