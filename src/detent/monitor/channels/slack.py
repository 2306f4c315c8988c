"""The Slack channel: a message per alert through an incoming webhook, whose URL is a secret: named, not written."""

from __future__ import annotations

from detent.monitor.channels.post import host_of, post
from detent.monitor.outbox import alert_id
from detent.project.environment import Secret
from detent.records.alert import Alert
from detent.records.finding import CRITICAL
from detent.store.canonical import canonical

MOST = 2900  # characters; Slack takes 3,000 in a section
HEADER = 150  # characters that Slack takes in a heading


class SlackChannel:
    """Posts alerts to one incoming webhook of Slack, or of a chat that understands the same messages (Mattermost).

    Slack can't tell repeats: after a crash between a delivery and its record the message comes twice, and both carry
    the alert's id. Errors name the host only.
    """

    def __init__(self, url: Secret) -> None:
        self._host = host_of(url.reveal(), channel="slack")
        self._url = url

    def __repr__(self) -> str:
        return f"SlackChannel({self._host})"

    def send(self, alert: Alert) -> None:
        """Post the alert as a message.

        Raises:
            ChannelError: Slack did not take it.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": alert_id(alert)}
        post(self._url.reveal(), canonical(message(alert)), headers, host=self._host)


def message(alert: Alert) -> dict[str, object]:
    """Return the message: a heading, the sentences, and a line of small print with the alert's id."""
    sign = ":red_circle:" if alert.severity == CRITICAL else ":large_orange_circle:"
    labels = " · ".join(f"{name} {value}" for name, value in alert.labels)
    small = f"{alert.severity} · {labels} · open since {alert.opened_at[:16]} UTC · alert {alert_id(alert)}"
    return {
        "text": _shortened(f"{alert.severity}: {_escaped(alert.title)}", MOST),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": _shortened(f"{sign} {alert.title}", HEADER)}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _shortened(_escaped(alert.text) or "-", MOST)}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _shortened(_escaped(small), MOST)}]},
        ],
    }


def _escaped(text: str) -> str:
    """Make text harmless: names of columns must not become links or calls to everybody (`<!channel>`)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 2].rstrip() + " …"
