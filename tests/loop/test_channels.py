"""From detent.yaml to open channels, and the monitor that watches itself."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from detent import project as projects
from detent.errors import ProjectError
from detent.loop.alerts.channels import channel_names, open_channels
from detent.loop.alerts.stale import check_stale
from detent.loop.telling import Telling
from detent.loop.watching.gauges import write_gauges
from detent.loop.workspace import Workspace, open_workspace
from detent.monitor.outbox import deliver, pending, queue
from detent.records.alert import Alert
from detent.serving.places import gauges
from detent.store import ledger
from detent.store.clock import VirtualClock

ALERT = Alert(
    key="drift:temp", severity="WARNING", title="Data drifts: temp", text="`temp` has moved.",
    opened_at="2013-03-01T00:00:00.000000+00:00", at="2013-03-01T00:00:00.000000+00:00", rise=False,
)  # fmt: skip
ALL = """
  channels:
    - log
    - {kind: webhook, url: "https://example.org/very-secret", secret: HOOK}
    - {kind: slack, url_secret: SLACK_URL}
    - {kind: email, host: smtp.example.org, from: detent@example.org, to: [ana@example.org, bo@example.org],
       user: detent, secret: SMTP_PASSWORD}
    - {kind: alertmanager, url: "http://alertmanager:9093"}
"""
SECRETS = {"HOOK": "t0ken", "SLACK_URL": "https://hooks.slack.example/very-secret", "SMTP_PASSWORD": "hunter2"}


def declare(folder: Path, channels: str) -> None:
    path = folder / "detent.yaml"
    text = path.read_text(encoding="utf-8")
    head, _, tail = text.partition("\nmonitor:")
    rest = tail.partition("\n")[2]
    path.write_text(head + "\nmonitor:" + channels.rstrip() + "\n" + rest, encoding="utf-8")


def test_every_kind_of_channel_opens_and_no_secret_is_in_its_name(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(project, ALL)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    ws = open_workspace(project)
    opened = open_channels(ws)
    assert list(opened) == channel_names(ws)
    assert [type(channel).__name__ for channel in opened.values()] == [
        "LogChannel", "WebhookChannel", "SlackChannel", "EmailChannel", "EmailChannel", "AlertmanagerChannel",
    ]  # fmt: skip
    told = str(list(opened)) + repr(opened) + "".join(str(vars(channel)) for channel in opened.values())
    assert not any(secret in told for secret in ("very-secret", "t0ken", "hunter2"))


def test_a_secret_that_is_not_there_is_named_and_stops_no_other_channel(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(project, "\n  channels: [{kind: slack, url_secret: NO_SUCH_SECRET}, log]")
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    ws = open_workspace(project)
    with ws.db.transaction() as tx:
        queue(tx, [ALERT], channel_names(ws), endpoint="shop", actor="test", now=ws.now())
    (fault,) = deliver(ws.db, open_channels(ws), now=ws.now())
    assert "NO_SUCH_SECRET" in fault.why
    assert "export NO_SUCH_SECRET" in fault.fix
    assert [item.channel for item in pending(ws.db)] == ["slack NO_SUCH_SECRET"]


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ("[slack]", "url_secret: SLACK_URL"),
        ("[{kind: slack, url: 'https://x'}]", "unknown key"),
        ("[{kind: webhook}]", "`url` is missing"),
        ("[{kind: alertmanager, url: 'ftp://x'}]", "http or https"),
        ("[{kind: email, host: h, from: a@b, to: []}]", "nobody would be told"),
        ("[{kind: email, host: h, from: a@b, to: 'x y@z'}]", "no mail address"),
        ("[{kind: email, host: h, from: a@b, to: c@d, user: u}]", "belong together"),
        ("[{kind: email, host: h, from: a@b, to: c@d, user: u, secret: S, tls: off}]", "is needed"),
        ("[{kind: email, host: h, from: a@b, to: c@d, user: u, secret: S, tls: 'off'}]", "not encrypted"),
        ("[{kind: email, host: h, from: a@b, to: c@d, port: 0}]", "out of range"),
        ("[{kind: pigeon}]", "not known here"),
    ],
)
def test_a_channel_that_can_not_work_is_refused_with_its_place(project: Path, channels: str, words: str) -> None:
    declare(project, f"\n  channels: {channels}")
    with pytest.raises(ProjectError) as caught:
        projects.load(project)
    assert words in str(caught.value)
    assert "monitor" in str(caught.value)


def test_a_monitor_that_stopped_is_told_once_and_is_over_when_it_looks_again(served: Workspace, tmp_path: Path) -> None:
    assert check_stale(served) is None
    clock = VirtualClock(tmp_path / "clock", start=served.now() + 2 * served.project.monitor.window)
    ws = replace(served, clock=clock)
    assert check_stale(ws) is None
    before = sum(ledger.count_by_kind(ws.db).values())
    clock.set(ws.now() + 2 * ws.project.monitor.window)
    assert check_stale(ws) is not None
    assert [item.alert.key for item in pending(ws.db)] == ["meta:stale"]
    events = [event.kind for event in ledger.read(ws.db)][before:]
    assert events == ["monitor.stale", "episode.opened", "alert.raised"]
    for _ in range(5):
        assert check_stale(ws) is not None
    assert sum(ledger.count_by_kind(ws.db).values()) == before + 3
    back = replace(served, clock=VirtualClock(tmp_path / "back", start=served.now() + timedelta(seconds=1)))
    for _ in range(3):
        assert check_stale(back) is None
    assert [event.kind for event in ledger.read(ws.db)][before + 3 :] == ["episode.closed"]


def test_beside_the_controller_alerts_are_sent_and_gauges_written(served: Workspace) -> None:
    with served.db.transaction() as tx:
        queue(tx, [ALERT], ["log", "gone"], endpoint="shop", actor="test", now=served.now())
    told: list[str] = []
    with Telling(served, tell=told.append, every=0.01):
        until = time.monotonic() + 20
        while time.monotonic() < until and not (len(pending(served.db)) == 1 and gauges(served.state).exists()):
            time.sleep(0.01)
    assert [item.channel for item in pending(served.db)] == ["gone"]
    assert "detent_alert_state" in gauges(served.state).read_text(encoding="utf-8")
    assert told == []


def test_a_part_that_fails_is_told_once_and_the_others_go_on(served: Workspace) -> None:
    gauges(served.state).parent.mkdir(parents=True, exist_ok=True)
    gauges(served.state).mkdir()  # nothing can be written there
    told: list[str] = []
    it = Telling(served, tell=told.append)
    for _ in range(3):
        it._safely("writing gauges", lambda: write_gauges(served))
    assert len(told) == 1
    gauges(served.state).rmdir()
    it._safely("writing gauges", lambda: write_gauges(served))
    assert len(told) == 1
