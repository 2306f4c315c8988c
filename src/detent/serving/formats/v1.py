"""detent's own: `POST /v1/models/{endpoint}:predict` with `{"inputs": [{...}, ...], "entities": [...]}`."""

from __future__ import annotations

from collections.abc import Sequence

from detent.serving.formats.format import JSON, Headers, Reply
from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import MEDIA_TYPE, Problem, render
from detent.serving.rows.answers import ENCODE, Answer, Line
from detent.serving.rows.validate import LooseRequest, Request, RowReader, read_loosely


class V1:
    """Named fields in, one line per row out."""

    def read(
        self, endpoint: Endpoint, reader: RowReader | None, body: bytes, headers: Headers
    ) -> Request | LooseRequest:
        """Return the rows; see `Format.read`."""
        return read_loosely(body) if reader is None else reader.read(body)

    def write(self, endpoint: Endpoint, request: Request | LooseRequest, lines: Sequence[Line]) -> Reply:
        """Return the lines as JSON."""
        return Reply(200, JSON, ENCODE(Answer(endpoint.route.model, lines)))

    def refuse(self, problem: Problem) -> Reply:
        """Return problem+json."""
        return Reply(problem.status, MEDIA_TYPE, render(problem), problem.headers)
