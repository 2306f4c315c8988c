from __future__ import annotations

import json
import random
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Session

from detent.monitor import alert_id, deliver, pending, queue
from detent.monitor.channels.alertmanager import AlertmanagerChannel, posted
from detent.monitor.channels.email import EmailChannel, MailServer
from detent.monitor.channels.slack import SlackChannel, message
from detent.monitor.channels.webhook import WebhookChannel
from detent.monitor.protocol import ChannelError
from detent.project.environment import Secret
from detent.records.alert import Alert
from detent.store import ledger
from detent.store.database import open_database
from detent.store.migrate import migrate

from .test_channels import receive  # noqa: F401  (a fixture)

ALERT = Alert(
    key="drift:<!channel>", severity="CRITICAL", title="Data drifts: <!channel>\nBcc: eve@example.org",
    text="`<!channel>` & `température` have moved.", opened_at="2013-03-01T00:00:00.000000+00:00",
    at="2013-03-01T00:00:00.000000+00:00", rise=False, labels=(("model", "flights"), ("kind", "drift")),
)  # fmt: skip
PASSWORD = "correct horse"
T0 = datetime(2013, 3, 1, tzinfo=UTC)


# ---- Slack ----


def test_slack_gets_a_heading_the_sentences_and_the_id_of_the_alert(receive):  # noqa: F811
    server = receive()
    SlackChannel(Secret(server.url)).send(ALERT)
    ((headers, body),) = server.got
    assert headers["Idempotency-Key"] == alert_id(ALERT)
    heading, section, small = body["blocks"]
    assert heading["text"]["text"].startswith(":red_circle: Data drifts")
    assert "température" in section["text"]["text"]
    assert alert_id(ALERT) in small["elements"][0]["text"]
    assert "model flights" in small["elements"][0]["text"]


def test_a_column_can_not_call_everybody_in_slack():
    body = message(ALERT)
    texts = [body["text"], body["blocks"][1]["text"]["text"]]
    assert all("<!channel>" not in text and "&lt;!channel&gt;" in text for text in texts)


def test_a_long_alert_is_shortened_to_what_slack_takes():
    body = message(replace(ALERT, text="word " * 2000, title="x" * 400))
    assert len(body["blocks"][1]["text"]["text"]) <= 3000
    assert len(body["blocks"][0]["text"]["text"]) <= 150


def test_slack_that_asks_for_a_pause_says_for_how_long(receive):  # noqa: F811
    server = receive(429)
    server.retry_after = "30"
    with pytest.raises(ChannelError) as caught:
        SlackChannel(Secret(server.url)).send(ALERT)
    assert caught.value.after == 30.0


def test_the_url_of_slack_shows_nowhere(receive):  # noqa: F811
    server = receive(403)
    channel = SlackChannel(Secret(server.url))
    with pytest.raises(ChannelError) as caught:
        channel.send(ALERT)
    for text in (str(caught.value), repr(channel), str(vars(channel))):
        assert "very-secret-path" not in text
    with pytest.raises(ChannelError) as caught:
        SlackChannel(Secret("very-secret-path"))
    assert "very-secret-path" not in str(caught.value)


# ---- e-mail ----


class Mailbox:
    """What a mail server took, and whom it refuses."""

    def __init__(self):
        self.mails, self.refused = [], set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session: Session, envelope):
        self.mails.append((list(envelope.rcpt_tos), message_from_bytes(envelope.content), session.ssl is not None))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(handled=False, success=data.login == b"detent" and data.password == PASSWORD.encode())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def mail():
    started = []

    def start(**options):
        box = Mailbox()
        controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        started.append(controller)
        return box, controller.port

    yield start
    for controller in started:
        controller.stop()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def server_side(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_a_mail_goes_encrypted_with_login_and_tells_repeats_by_its_id(mail, certificate):
    box, port = mail(
        tls_context=server_side(certificate), require_starttls=True, authenticator=authenticate, auth_required=True
    )
    trust = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    server = MailServer(host="localhost", port=port, user="detent", password=Secret(PASSWORD), context=trust)
    channel = EmailChannel(server, sender="detent@example.org", to="ana@example.org")
    channel.send(ALERT)
    channel.send(ALERT)
    (to, first, encrypted), (_, second, _) = box.mails
    assert (to, encrypted) == (["ana@example.org"], True)
    assert first["Message-ID"] == second["Message-ID"]
    assert alert_id(ALERT) in first["Message-ID"]
    assert "température" in first.get_payload(decode=True).decode()


def test_a_column_can_not_add_a_header_to_a_mail(mail):
    box, port = mail()
    server = MailServer(host="127.0.0.1", port=port, security="off")
    EmailChannel(server, sender="detent@example.org", to="ana@example.org").send(ALERT)
    ((to, got, _),) = box.mails
    assert to == ["ana@example.org"]
    assert got["Bcc"] is None
    assert got["Subject"].startswith("[CRITICAL] Data drifts: <!channel> Bcc:")


def test_a_server_that_nobody_vouches_for_gets_no_password(mail, certificate):
    box, port = mail(tls_context=server_side(certificate), authenticator=authenticate, auth_required=True)
    server = MailServer(host="localhost", port=port, user="detent", password=Secret(PASSWORD))
    with pytest.raises(ChannelError, match="could not be delivered to localhost") as caught:
        EmailChannel(server, sender="detent@example.org", to="ana@example.org").send(ALERT)
    assert "certificate" in caught.value.why
    assert box.mails == []


def test_a_wrong_password_is_told_and_not_shown(mail, certificate):
    _, port = mail(tls_context=server_side(certificate), authenticator=authenticate, auth_required=True)
    trust = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    server = MailServer(host="localhost", port=port, user="detent", password=Secret("hunter2"), context=trust)
    channel = EmailChannel(server, sender="detent@example.org", to="ana@example.org")
    with pytest.raises(ChannelError) as caught:
        channel.send(ALERT)
    assert "refused the login" in caught.value.why
    for text in (str(caught.value), repr(channel), str(vars(channel))):
        assert "hunter2" not in text


def test_a_password_is_never_sent_in_clear():
    server = MailServer(host="localhost", port=25, security="off", user="detent", password=Secret(PASSWORD))
    with pytest.raises(ChannelError, match="is refused"):
        EmailChannel(server, sender="detent@example.org", to="ana@example.org")


def test_a_server_without_encryption_is_not_used_when_encryption_is_asked_for(mail):
    box, port = mail()
    server = MailServer(host="127.0.0.1", port=port)
    with pytest.raises(ChannelError):
        EmailChannel(server, sender="detent@example.org", to="ana@example.org").send(ALERT)
    assert box.mails == []


def test_a_recipient_that_is_refused_keeps_no_other_from_the_mail(mail):
    box, port = mail()
    box.refused.add("gone@example.org")
    server = MailServer(host="127.0.0.1", port=port, security="off")
    EmailChannel(server, sender="detent@example.org", to="ana@example.org").send(ALERT)
    with pytest.raises(ChannelError) as caught:
        EmailChannel(server, sender="detent@example.org", to="gone@example.org").send(ALERT)
    assert "550" in caught.value.why
    assert [to for to, _, _ in box.mails] == [["ana@example.org"]]


def test_a_mail_server_that_is_down_is_a_channel_error():
    server = MailServer(host="127.0.0.1", port=free_port(), security="off")
    with pytest.raises(ChannelError) as caught:
        EmailChannel(server, sender="detent@example.org", to="ana@example.org").send(ALERT)
    assert "can't be reached" in caught.value.why


# ---- Alertmanager ----


def test_alertmanager_gets_labels_by_which_it_knows_the_alert_and_a_time_at_which_it_ends(receive):  # noqa: F811
    server = receive()
    AlertmanagerChannel(server.url, secret=Secret("t0ken")).send(ALERT)
    ((headers, (body,)),) = server.got
    assert headers["Authorization"] == "Bearer t0ken"
    assert body == json.loads(json.dumps(posted(ALERT)))
    assert body["labels"] == {
        "alertname": "detent_drift", "kind": "drift", "key": ALERT.key, "model": "flights", "severity": "critical",
    }  # fmt: skip
    assert body["annotations"]["id"] == alert_id(ALERT)
    assert (body["startsAt"][:10], body["endsAt"][:10]) == ("2013-03-01", "2013-03-02")


@pytest.mark.skipif(shutil.which("prometheus-alertmanager") is None, reason="no Alertmanager on this machine")
def test_a_real_alertmanager_takes_alerts_and_knows_repeats(tmp_path):
    (tmp_path / "config.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = free_port()
    words = ["prometheus-alertmanager", f"--config.file={tmp_path / 'config.yml'}", f"--storage.path={tmp_path}",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]  # fmt: skip
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said)
    url = f"http://127.0.0.1:{port}"
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    alert = replace(ALERT, at=now, opened_at=now)
    channel = AlertmanagerChannel(url)
    try:
        send_when_up(channel, alert, process, tmp_path / "said")
        channel.send(alert)
        channel.send(replace(alert, key="quality:roc_auc"))
        known = httpx.get(f"{url}/api/v2/alerts", trust_env=False).json()
    finally:
        process.terminate()
        process.wait()
    assert sorted(found["labels"]["key"] for found in known) == ["drift:<!channel>", "quality:roc_auc"]
    assert {found["annotations"]["id"] for found in known} == {
        alert_id(alert), alert_id(replace(alert, key="quality:roc_auc"))
    }  # fmt: skip


def send_when_up(channel, alert, process, said):
    until = time.monotonic() + timedelta(seconds=60).total_seconds()
    while True:
        try:
            return channel.send(alert)
        except ChannelError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"Alertmanager does not answer: {said.read_text()}", pytrace=False)
            time.sleep(0.05)


# ---- through the outbox, to real servers ----


@pytest.fixture
def box(tmp_path):
    database = open_database(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.monitor"])
    yield database
    database.close()


def put(database, *alerts):
    with database.transaction() as tx:
        queue(tx, alerts, ["hook"], endpoint="flights", actor="test", now=T0)


def test_a_server_that_takes_the_connection_and_never_answers_holds_a_tick_for_a_moment(box):
    put(box, ALERT, replace(ALERT, key="drift:wind"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        channels = {"hook": WebhookChannel(f"http://127.0.0.1:{silent.getsockname()[1]}/x")}
        began = time.monotonic()
        (fault,) = deliver(box, channels, now=T0, seconds=0.3)
        assert deliver(box, channels, now=T0 + timedelta(seconds=1), seconds=0.3) == []
        assert time.monotonic() - began <= 2.5
    assert "has not answered" in fault.why
    assert len(pending(box)) == 2


def test_through_faults_of_a_real_server_each_alert_is_taken_once(box, receive):  # noqa: F811
    draw = random.Random(7)
    server = receive(*(draw.choice([500, 503, 429, 404, 302, 200]) for _ in range(20)))
    sent = [replace(ALERT, key=f"drift:{number}") for number in range(8)]
    put(box, *sent)
    taken: list[str] = []
    channels, now = {"hook": WebhookChannel(server.url)}, T0
    while pending(box) and now < T0 + timedelta(days=2):
        before, waiting = len(server.got), {item.id for item in pending(box)}
        deliver(box, channels, now=now, seconds=10)
        taken += sorted(waiting - {item.id for item in pending(box)})
        assert len(server.got) > before or waiting
        now += timedelta(seconds=31)
    assert sorted(taken) == sorted(alert_id(alert) for alert in sent)
    posted_keys = [headers["Idempotency-Key"] for headers, _ in server.got]
    assert set(posted_keys) == set(taken)
    for text in (str([item.error for item in pending(box)]), str([event.payload for event in ledger.read(box)])):
        assert "very-secret-path" not in text
