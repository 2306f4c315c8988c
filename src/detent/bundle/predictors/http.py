"""HTTP to one server that the bundle's signed files name, and to no other."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from detent.bundle.predictors.columns import raised
from detent.errors import Place, RefusedError
from detent.project.environment import Secret

MAX_REPLY = 64 << 20


class Server:
    """One server's address. Redirects are refused and proxies of the environment ignored: both lead elsewhere.

    Safe for several threads; connections are kept open.
    """

    def __init__(self, url: str, *, timeout: float, token: Secret | None = None) -> None:
        """`url` is http(s)://host[:port][/path]; `timeout` is in seconds, for connecting, sending and each wait."""
        self.url = checked_url(url).rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token.reveal()}"}
        self._client = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False, trust_env=False)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Return the answer, if it is a 200 of bounded size.

        Raises:
            PredictionError: the server does not answer, answers with another status, or with too much.
        """
        try:
            with self._client.stream("POST", self.url + path, content=body, headers=headers) as response:
                parts = bytearray()
                for part in response.iter_bytes():
                    parts += part
                    if len(parts) > MAX_REPLY:
                        raise raised(f"{self.url} answered with more than {MAX_REPLY:,} bytes")
        except httpx.HTTPError as error:
            raise raised(f"{self.url} does not answer: {type(error).__name__}: {error}") from error
        if response.is_redirect:
            raise raised(f"{self.url} sends elsewhere ({response.status_code}); redirects are not followed")
        if response.status_code != 200:
            text = bytes(parts[:200]).decode("utf-8", "replace")
            raise raised(f"{self.url} answered {response.status_code}: {text}")
        kept = {name: value for name, value in response.headers.items() if name != "content-encoding"}
        return httpx.Response(200, headers=kept, content=bytes(parts))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def checked_url(url: str) -> str:
    """Return the address when it is a plain one.

    Raises:
        RefusedError: another scheme, no host, a password, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        parts, plain = urlsplit(""), None
    if not plain or parts.username or parts.password or parts.query or parts.fragment or not url.isprintable():
        raise RefusedError(
            what="the address of the remote model is refused",
            why=f"`{url[:100]}` is not of the form http(s)://host:port/path",
            fix="write only scheme, host, port and path; a token goes into an environment variable (`token_env`)",
            where=Place(file="remote.json", field="url"),
        )
    return url
