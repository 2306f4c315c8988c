"""The webhook channel: an HTTP POST per alert, with an idempotency key."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from urllib.parse import urlsplit

import httpx

from detent.errors import Place
from detent.monitor.outbox import alert_id
from detent.monitor.protocol import ChannelError
from detent.project.environment import Secret
from detent.records.alert import Alert
from detent.store.canonical import canonical

TIMEOUT = 5.0  # seconds, for connecting, sending and waiting each
PAUSES = (0.5, 2.0)  # seconds before the second and the third try


class WebhookChannel:
    """Posts alerts as JSON to one http(s) URL.

    It tries three times when the other side can't be reached or answers 5xx; the header `Idempotency-Key` tells a
    receiver that a repeat is one. Redirects are not followed: they could carry the token to another host. Errors name
    the host only, for the path of a webhook is often its secret. `pause` waits between tries; tests hand in one that
    doesn't.
    """

    def __init__(self, url: str, *, secret: Secret | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChannelError(
                what="a webhook's URL is refused",
                why=f"it begins with `{parts.scheme or url[:20]}`; alerts are posted over http or https only",
                fix="write `url: https://host/path` in the channel's section of detent.yaml",
                where=Place(file="detent.yaml", field="monitor.channels"),
            )
        self._url = url
        self._host = parts.hostname
        self._secret = secret
        self._pause = pause

    def __repr__(self) -> str:
        return f"WebhookChannel({self._host})"

    def send(self, alert: Alert) -> None:
        """Post the alert; any 2xx answer means that it was taken.

        Raises:
            ChannelError: it was refused (no second try), or not taken in three tries.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": alert_id(alert)}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret.reveal()}"
        body = canonical({"id": alert_id(alert), **asdict(alert)})
        fault = self._post(body, headers)
        for pause in PAUSES:
            if fault is None:
                return
            self._pause(pause)
            fault = self._post(body, headers)
        if fault is not None:
            raise self._error(f"{fault}, {len(PAUSES) + 1} times in a row", "check that the host is up")

    def _post(self, body: bytes, headers: dict[str, str]) -> str | None:
        """Try once: None when it was taken, else what is worth another try."""
        try:
            # Proxies and tokens of the environment are not ours to use; the answer's body is nobody's to read.
            with (
                httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except httpx.TransportError as error:
            return f"it can't be reached ({type(error).__name__})"
        except httpx.InvalidURL as error:
            raise self._error("its URL can't be read", "mend `url` in detent.yaml") from error
        if 200 <= status < 300:
            return None
        if status >= 500:
            return f"it answered {status}"
        if 300 <= status < 400:
            raise self._error(f"it answered {status}, a redirect, which is not followed", "use the final URL")
        raise self._error(f"it answered {status}", "check the URL and the token")

    def _error(self, why: str, fix: str) -> ChannelError:
        return ChannelError(
            what=f"an alert could not be delivered to {self._host}",
            why=why,
            fix=f"{fix}; the alert stays in the outbox",
            where=Place(file="detent.yaml", field="monitor.channels"),
        )
