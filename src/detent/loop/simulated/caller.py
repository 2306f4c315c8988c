"""The callers of a simulated endpoint: plain HTTP over a few kept connections, as a booking system would."""

from __future__ import annotations

import http.client
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONNECTIONS = 4
MAX_LABELS = 1000  # per feedback request


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a caller got."""

    status: int
    id: str | None
    version: int | None
    score: float | None
    fallback: bool


class Caller:
    """Keeps connections to one server. Not for several threads."""

    def __init__(self, host: str, port: int) -> None:
        self._connections = [http.client.HTTPConnection(host, port, timeout=30) for _ in range(CONNECTIONS)]
        self._turn = itertools.cycle(self._connections)

    def predict(self, endpoint: str, row: Mapping[str, Any], entity: str) -> Reply:
        """Ask for one prediction."""
        fields = {name: _sendable(value) for name, value in row.items()}
        body = json.dumps({"inputs": [fields], "entities": [entity]})
        status, answer = self._post(f"/v1/models/{endpoint}:predict", body)
        lines = answer.get("predictions") or [{}]
        line = lines[0]
        return Reply(
            status=status,
            id=line.get("id"),
            version=line.get("version"),
            score=line.get("score"),
            fallback=bool(line.get("fallback")),
        )

    def feedback(self, labels: Sequence[tuple[str, float]]) -> None:
        """Send labels; the answer must accept them all.

        Raises:
            RuntimeError: the server refused one.
        """
        for start in range(0, len(labels), MAX_LABELS):
            some = labels[start : start + MAX_LABELS]
            body = json.dumps({"labels": [{"prediction_id": name, "value": value} for name, value in some]})
            status, answer = self._post("/feedback", body)
            if status >= 300 or answer["refused"]:
                raise RuntimeError(f"feedback was refused with {status}: {answer}")

    def close(self) -> None:
        """Let the connections go."""
        for connection in self._connections:
            connection.close()

    def _post(self, path: str, body: str) -> tuple[int, dict[str, Any]]:
        connection = next(self._turn)
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")


def _sendable(value: Any) -> Any:
    """JSON has no NaN and no infinity; to a model they are a missing number, which JSON has."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
