"""One HTTP POST of an alert, as every channel over HTTP makes it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from detent.errors import Place
from detent.monitor.protocol import ChannelError

TIMEOUT = 5.0  # seconds, for connecting, sending and waiting each
PLACE = Place(file="detent.yaml", field="monitor.channels")
BUSY = 429  # the other side asks for a pause


def host_of(url: str, *, channel: str) -> str:
    """Return the host of an http(s) URL: all of it that errors may name, for its path is often a secret.

    Raises:
        ChannelError: the URL is none over http or https.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        begins = "can't be read" if parts is None or "://" not in url else f"begins with `{parts.scheme}`"
        raise ChannelError(
            what=f"the URL of channel `{channel}` is refused",
            why=f"it {begins}; alerts are posted over http or https only",
            fix="write an address such as https://host/path in the channel's section of detent.yaml",
            where=PLACE,
        )
    return host


def post(url: str, body: bytes, headers: Mapping[str, str], *, host: str) -> None:
    """Post once; any 2xx answer means that it was taken. Redirects are not followed: they could carry a token away.

    Raises:
        ChannelError: it was not taken. `after` says how long the other side asks to be left alone.
    """
    try:
        # Proxies and tokens of the environment are not ours to use; the answer's body is nobody's to read.
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", url, content=body, headers=dict(headers)) as answer,
        ):
            status, after = answer.status_code, answer.headers.get("Retry-After", "")
    except httpx.TransportError as error:
        raise undelivered(host, f"it can't be reached ({type(error).__name__})", "check that the host is up") from None
    except httpx.InvalidURL:
        raise undelivered(host, "its URL can't be read", "mend the URL of the channel") from None
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise undelivered(host, f"it answered {status}, a redirect, which is not followed", "use the final URL")
    fix = "check that the host is up" if status >= 500 or status == BUSY else "check the URL and the token"
    error = undelivered(host, f"it answered {status}", fix)
    error.after = float(after) if after.isdecimal() else None
    raise error


def undelivered(host: str, why: str, fix: str) -> ChannelError:
    """Return the error that an alert was not taken."""
    return ChannelError(
        what=f"an alert could not be delivered to {host}",
        why=why,
        fix=f"{fix}; the alert stays in the outbox and is tried again",
        where=PLACE,
    )
