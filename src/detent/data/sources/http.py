"""A file on an HTTP server. Standard library only, so that a look at its ETag costs no heavy import."""

from __future__ import annotations

import base64
import json
import netrc
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from detent.data.sources.protocol import Reading, absent, only_databases, refused, silent, unreachable
from detent.errors import DataError
from detent.records.project import Source

TIMEOUT = 30.0  # seconds without a byte
_NO_HEAD = (405, 501)
_GONE = (404, 410)
_LATER = (408, 425, 429, 500, 502, 503, 504)


def open_reader(source: Source) -> HttpFile:
    """Return the reader of an http:// or https:// source."""
    return HttpFile(source)


class HttpFile:
    """One URL. Its version is ETag, length and time of change, taken from the very answer that carries the bytes."""

    def __init__(self, source: Source, *, timeout: float = TIMEOUT) -> None:
        self._source, self._timeout = source, timeout

    def version(self) -> str:
        """Return what a HEAD says; of a server that knows no HEAD, what a GET says that is broken off."""
        try:
            return self._version("HEAD")
        except HTTPError as error:
            if error.code not in _NO_HEAD:
                raise _explained(self._source, error) from error
        try:
            return self._version("GET")
        except HTTPError as error:
            raise _explained(self._source, error) from error

    def read(self) -> Reading:
        """Download the file; an answer shorter than it says is no answer."""
        try:
            with self._open("GET") as response:
                data, version = response.read(), _version(response.headers)
        except HTTPError as error:
            raise _explained(self._source, error) from error
        return Reading(content=data, version=version)

    def ask(self, question: str) -> object:
        """A file can't be asked."""
        del question
        raise only_databases(self._source)

    def _version(self, method: str) -> str:
        with self._open(method) as response:
            version = _version(response.headers)
        if not version:
            raise silent(self._source)
        return version

    @contextmanager
    def _open(self, method: str) -> Iterator[HTTPResponse]:
        request = Request(self._source.source, method=method)  # noqa: S310  (the scheme is http or https: see _READERS)
        request.add_header("Accept-Encoding", "identity")  # or the length would not be that of the bytes
        for name, value in _credentials(self._source.source).items():
            request.add_unredirected_header(name, value)  # never sent on to another server
        try:
            with urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                yield response
        except HTTPError:
            raise
        except (URLError, HTTPException, OSError) as error:
            raise unreachable(self._source, str(error) or type(error).__name__) from error


def _version(headers: HTTPMessage) -> str:
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    if etag is None and modified is None:
        return ""
    return json.dumps({"etag": etag, "length": headers.get("Content-Length"), "modified": modified}, sort_keys=True)


def _credentials(url: str) -> dict[str, str]:
    """Return the header of an entry in ~/.netrc, where passwords for servers belong."""
    try:
        found = netrc.netrc().authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return {}
    if found is None:
        return {}
    token = base64.b64encode(f"{found[0]}:{found[2]}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


def _explained(source: Source, error: HTTPError) -> DataError:
    if error.code in _GONE:
        return absent(source)
    if error.code in _LATER:
        return unreachable(source, f"the server says {error.code} {error.reason}")
    return refused(source, f"the server says {error.code} {error.reason}", "check the URL and your rights there")
