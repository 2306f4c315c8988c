"""The Alertmanager channel: alerts for whoever routes all alerts of a company in one place (API v2)."""

from __future__ import annotations

from datetime import timedelta

from detent.monitor.channels.post import host_of, post
from detent.monitor.outbox import alert_id
from detent.project.environment import Secret
from detent.records.alert import Alert
from detent.store.canonical import canonical
from detent.store.clock import iso, parse

FIRES = timedelta(days=1)  # Alertmanager takes an alert as solved after this, unless it is raised again


class AlertmanagerChannel:
    """Posts alerts to one Alertmanager, such as http://alertmanager:9093.

    An alert is told by its labels, so a repeat is no second one. An alert fires for a day from its time on.
    """

    def __init__(self, url: str, *, secret: Secret | None = None) -> None:
        self._host = host_of(url, channel="alertmanager")
        self._url = Secret(url.rstrip("/") + "/api/v2/alerts")
        self._secret = secret

    def __repr__(self) -> str:
        return f"AlertmanagerChannel({self._host})"

    def send(self, alert: Alert) -> None:
        """Post the alert.

        Raises:
            ChannelError: it was not taken.
        """
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret.reveal()}"
        post(self._url.reveal(), canonical([posted(alert)]), headers, host=self._host)


def posted(alert: Alert) -> dict[str, object]:
    """Return the alert as Alertmanager wants it. Its labels name it: key, kind, severity, model and version."""
    kind = alert.key.partition(":")[0]
    labels = {**dict(alert.labels), "alertname": f"detent_{kind}", "kind": kind, "key": alert.key}
    return {
        "labels": {**labels, "severity": alert.severity.lower()},
        "annotations": {"summary": alert.title, "description": alert.text, "id": alert_id(alert)},
        "startsAt": alert.at,
        "endsAt": iso(parse(alert.at) + FIRES),
    }
