from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from detent import plugins
from detent.monitor.channels.log import LogChannel
from detent.monitor.channels.webhook import WebhookChannel
from detent.monitor.outbox import alert_id
from detent.monitor.protocol import ChannelError
from detent.project.environment import Secret
from detent.records.alert import Alert

ALERT = Alert(
    key="drift:température", severity="WARNING", title="Data drifts", text="`température` has moved.",
    opened_at="2013-03-01T00:00:00.000000+00:00", at="2013-03-01T00:00:00.000000+00:00", rise=False,
)  # fmt: skip


class Receiver(ThreadingHTTPServer):
    """A real HTTP server that answers with the statuses it was given, then 200."""

    def __init__(self, statuses):
        self.statuses, self.got, self.retry_after = list(statuses), [], None
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook/very-secret-path"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), json.loads(body)))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
        if self.server.retry_after is not None:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receive():
    servers = []

    def start(*statuses):
        server = Receiver(statuses)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_webhook_posts_the_alert_with_token_and_idempotency_key(receive):
    server = receive()
    WebhookChannel(server.url, secret=Secret("s3cret")).send(ALERT)
    ((headers, body),) = server.got
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Idempotency-Key"] == alert_id(ALERT) == body["id"]
    assert (body["key"], body["severity"], body["rise"]) == ("drift:température", "WARNING", False)


def test_a_webhook_tries_once_and_the_outbox_tries_again(receive):
    server = receive(503, 200)
    channel = WebhookChannel(server.url)
    with pytest.raises(ChannelError, match="127.0.0.1") as caught:
        channel.send(ALERT)
    assert "503" in caught.value.why
    channel.send(ALERT)
    assert len({headers["Idempotency-Key"] for headers, _ in server.got}) == 1
    assert len(server.got) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refusal_is_not_tried_again(receive, status):
    server = receive(status)
    with pytest.raises(ChannelError) as caught:
        WebhookChannel(server.url).send(ALERT)
    assert len(server.got) == 1
    assert str(status) in caught.value.why


def test_a_redirect_is_not_followed(receive):
    server = receive(302)
    with pytest.raises(ChannelError) as caught:
        WebhookChannel(server.url).send(ALERT)
    assert len(server.got) == 1
    assert "redirect" in caught.value.why


def test_an_unreachable_host_is_a_channel_error(receive):
    server = receive()
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(ChannelError) as caught:
        WebhookChannel(url).send(ALERT)
    assert "can't be reached" in caught.value.why


def test_neither_token_nor_path_shows_in_errors_or_names(receive):
    server = receive(401)
    channel = WebhookChannel(server.url, secret=Secret("s3cret"))
    with pytest.raises(ChannelError) as caught:
        channel.send(ALERT)
    for text in (str(caught.value), repr(channel), str(vars(channel))):
        assert "s3cret" not in text
        assert "very-secret-path" not in text


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file:///etc/passwd", "javascript:alert(1)", "hooks.example.org", "http://"]
)
def test_only_http_urls_with_a_host_are_accepted(url):
    with pytest.raises(ChannelError, match="is refused"):
        WebhookChannel(url)


def test_the_log_gets_one_line_of_json_per_alert(tmp_path):
    path = tmp_path / "deep" / "alerts.log"
    channel = LogChannel(path)
    channel.send(ALERT)
    channel.send(ALERT)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 2
    assert lines[0]["id"] == alert_id(ALERT)
    assert lines[0]["text"] == ALERT.text


def test_a_log_that_can_not_be_written_is_a_channel_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ChannelError, match="alert log"):
        LogChannel(tmp_path / "file" / "alerts.log").send(ALERT)
    with pytest.raises(ChannelError):
        LogChannel(tmp_path).send(ALERT)


def test_channels_are_found_by_name():
    assert plugins.load("channel", "log") is LogChannel
    assert plugins.load("channel", "webhook") is WebhookChannel
