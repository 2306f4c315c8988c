"""The webhook channel: an HTTP POST per alert, with an idempotency key."""

from __future__ import annotations

from dataclasses import asdict

from detent.monitor.channels.post import host_of, post
from detent.monitor.outbox import alert_id
from detent.project.environment import Secret
from detent.records.alert import Alert
from detent.store.canonical import canonical


class WebhookChannel:
    """Posts alerts as JSON to one http(s) URL.

    The header `Idempotency-Key` tells a receiver that a repeat is one. Errors name the host only, for the path of a
    webhook is often its secret.
    """

    def __init__(self, url: str, *, secret: Secret | None = None) -> None:
        self._host = host_of(url, channel="webhook")
        self._url = Secret(url)
        self._secret = secret

    def __repr__(self) -> str:
        return f"WebhookChannel({self._host})"

    def send(self, alert: Alert) -> None:
        """Post the alert; any 2xx answer means that it was taken.

        Raises:
            ChannelError: it was not.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": alert_id(alert)}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret.reveal()}"
        post(self._url.reveal(), canonical({"id": alert_id(alert), **asdict(alert)}), headers, host=self._host)
