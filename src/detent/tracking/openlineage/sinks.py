"""Where lineage events go: a bounded file of JSON lines, and HTTP servers such as Marquez and DataHub."""

from __future__ import annotations

import http.client
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from detent.errors import DetentError, Place
from detent.project.environment import Secret
from detent.store.atomic import unwritable
from detent.store.canonical import canonical, digest
from detent.tracking.openlineage.events import Message

TIMEOUT = 5.0  # seconds, for connecting and for each answer
PATH = "/api/v1/lineage"  # of Marquez; DataHub's is /openapi/openlineage/api/v1/lineage
FILE_BYTES, FILES = 16 * 2**20, 4  # one file's size, and how many are kept
_REFUSALS = (400, 409, 413, 415, 422)  # answers about one event: it would be refused again


class SinkError(DetentError):
    """A sink did not take events; they are sent again later."""

    code = "lineage"


class Sink(Protocol):
    """Takes events, each at least once; two processes never send to one sink at the same time."""

    name: str  # under which it is remembered how far it was told
    at_once: int  # events that it is given at first; more follow when it was fast

    def send(self, messages: Sequence[Message]) -> dict[str, str]:
        """Hand over events in order; return why by id for each event that is refused for good.

        Raises:
            SinkError: it can't take events now; any number of the first ones may have been taken.
            StoreError: the disk is full or not writable.
        """
        ...


class JsonLines:
    """Events as lines of `events.jsonl`. Full files become `events.1.jsonl`, `events.2.jsonl` ...; the oldest goes."""

    def __init__(self, folder: Path, *, stem: str = "events", most_bytes: int = FILE_BYTES, files: int = FILES) -> None:
        self.name, self.at_once = "file", 200
        self._folder = folder
        self._stem = stem
        self._most_bytes = most_bytes
        self._files = files

    @property
    def path(self) -> Path:
        """The newest file."""
        return self._folder / f"{self._stem}.jsonl"

    def send(self, messages: Sequence[Message]) -> dict[str, str]:
        """Append the events and sync them to the disk."""
        self.append([message.body for message in messages])
        return {}

    def append(self, lines: Sequence[object]) -> None:
        """Append JSON values, one a line.

        Raises:
            StoreError: the disk is full or not writable.
        """
        data = b"".join(canonical(line) + b"\n" for line in lines)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._rotate(len(data))
            with self.path.open("a+b") as file:
                _drop_torn_line(file)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _rotate(self, coming: int) -> None:
        if not self.path.exists() or self.path.stat().st_size + coming <= self._most_bytes:
            return
        for number in range(self._files - 1, 0, -1):
            older = self._folder / f"{self._stem}.{number}.jsonl"
            newer = self._folder / f"{self._stem}.{number - 1}.jsonl" if number > 1 else self.path
            if newer.exists():
                newer.replace(older)


class HttpSink:
    """Posts each event to an OpenLineage server over one kept connection.

    Redirects are not followed, proxies of the environment are not used, and errors name the host only: a redirect or a
    log must not carry the token elsewhere.
    """

    def __init__(self, url: str, *, secret: Secret | None = None, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise SinkError(
                what="the URL of the lineage server is refused",
                why=f"it begins with `{parts.scheme or url[:20]}`, or holds a user name",
                fix="write `lineage: {url: http://host:5000, secret: NAME_OF_VARIABLE}` in detent.yaml",
                where=Place(file="detent.yaml", field="lineage.url"),
            )
        self.name, self.at_once = f"http {parts.hostname} {digest(url.encode())[:8]}", 1
        self._host = parts.hostname
        self._path = (parts.path.rstrip("/") or PATH) + (f"?{parts.query}" if parts.query else "")
        self._secret = secret
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._open = lambda: kind(parts.hostname or "", parts.port, timeout=timeout)

    def __repr__(self) -> str:
        return f"HttpSink({self._host})"

    def send(self, messages: Sequence[Message]) -> dict[str, str]:
        """Post the events one after the other; any 2xx answer means that the event was taken."""
        refused: dict[str, str] = {}
        with closing(self._open()) as connection:
            for message in messages:
                why = self._post(connection, message)
                if why:
                    refused[message.id] = why
        return refused

    def _post(self, connection: http.client.HTTPConnection, message: Message) -> str:
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.id}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret.reveal()}"
        body = canonical(message.body)
        try:
            try:
                status, text = self._ask(connection, body, headers)
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()  # a server may end a kept connection between two events: once more on a new one
                status, text = self._ask(connection, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._error(f"it can't be reached ({type(error).__name__})", "check that the host is up") from error
        if 200 <= status < 300:
            return ""
        if status in _REFUSALS:
            return f"it answered {status}: {' '.join(text.split())[:200]}"
        raise self._error(f"it answered {status}", "check the URL and the token")

    def _ask(self, connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        connection.request("POST", self._path, body, headers)
        answer = connection.getresponse()
        text = answer.read(2_000).decode(errors="replace")
        if not answer.isclosed():  # more than we care to read: the next event needs a clean connection
            connection.close()
        return answer.status, text

    def _error(self, why: str, fix: str) -> SinkError:
        return SinkError(
            what=f"lineage could not be sent to {self._host}",
            why=why,
            fix=f"{fix}; events wait and are sent again later",
            where=Place(file="detent.yaml", field="lineage.url"),
        )


def _drop_torn_line(file: BinaryIO) -> None:
    """Cut off what a killed process began to write and did not end; that event is told again."""
    size = file.seek(0, os.SEEK_END)
    end = size
    while end:
        start = max(0, end - 65_536)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        file.truncate(end)
        file.seek(0, os.SEEK_END)
