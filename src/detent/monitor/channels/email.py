"""The e-mail channel: a message per alert and recipient over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

from detent.monitor.channels.post import PLACE, undelivered
from detent.monitor.outbox import alert_id
from detent.monitor.protocol import ChannelError
from detent.project.environment import Secret
from detent.records.alert import Alert
from detent.store.clock import parse

STARTTLS, TLS, OFF = "starttls", "tls", "off"
TIMEOUT = 10.0  # seconds for each answer of the server


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A mail server and how it is spoken to."""

    host: str
    port: int
    security: str = STARTTLS  # starttls | tls (from the first byte) | off
    user: str | None = None  # None: no login
    password: Secret | None = None
    context: ssl.SSLContext | None = None  # whom to trust; None: the machine's authorities


class EmailChannel:
    """Sends alerts to one recipient, so that each of several gets each alert once even if another one is refused.

    The `Message-ID` is made of the alert's id: mail programs show a repeat once. A password is never sent over a
    connection that is not encrypted.
    """

    def __init__(self, server: MailServer, *, sender: str, to: str) -> None:
        if server.user is not None and server.security == OFF:
            raise ChannelError(
                what=f"channel `email` to {server.host} is refused",
                why="it would send a password over a connection that is not encrypted",
                fix="write `tls: starttls` or `tls: tls`, or leave `user` out",
                where=PLACE,
            )
        self._server, self._sender, self._to = server, sender, to

    def __repr__(self) -> str:
        return f"EmailChannel({self._to} by {self._server.host})"

    def send(self, alert: Alert) -> None:
        """Hand the message to the mail server.

        Raises:
            ChannelError: it can't be reached, is not who it says, or refuses the login or the recipient.
        """
        host = self._server.host
        try:
            with self._connection() as connection:
                connection.send_message(message(alert, sender=self._sender, to=self._to))
        except smtplib.SMTPAuthenticationError as error:
            raise undelivered(host, f"it refused the login ({error.smtp_code})", "check user and password") from None
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise undelivered(host, f"it refused the recipient {self._to} ({code})", "check the address") from None
        except smtplib.SMTPResponseException as error:
            raise undelivered(host, f"it answered {error.smtp_code}", "see the mail server's log") from None
        except ssl.SSLError as error:
            why = f"its certificate or encryption is not accepted ({error.reason})"
            raise undelivered(host, why, "use the name in its certificate") from None
        except (smtplib.SMTPException, OSError) as error:
            raise undelivered(host, f"it can't be reached ({type(error).__name__})", "check host and port") from None

    def _connection(self) -> smtplib.SMTP:
        it = self._server
        context = it.context or ssl.create_default_context()
        if it.security == TLS:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(it.host, it.port, timeout=TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(it.host, it.port, timeout=TIMEOUT)
        try:
            if it.security == STARTTLS:
                connection.starttls(context=context)
            if it.user is not None and it.password is not None:
                connection.login(it.user, it.password.reveal())
        except BaseException:
            connection.close()
            raise
        return connection


def message(alert: Alert, *, sender: str, to: str) -> EmailMessage:
    """Return the message: plain text, a short subject, and an id by which repeats are known."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(f"[{alert.severity}] {alert.title}".split())[:200]
    mail["From"], mail["To"] = sender, to
    mail["Date"] = format_datetime(parse(alert.at))
    mail["Message-ID"] = f"<{alert_id(alert)}@detent.invalid>"
    labels = "".join(f"{name}: {value}\n" for name, value in alert.labels)
    mail.set_content(
        f"{alert.title}\n\n{alert.text}\n\n{labels}open since: {alert.opened_at[:16]} UTC\nalert: {alert_id(alert)}\n"
    )
    return mail
