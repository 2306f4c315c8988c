from __future__ import annotations

import html
import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from detent.cli import monitor_report
from detent.errors import DetentError
from detent.loop.alerts.notify import notify
from detent.loop.report.card import Card, Section, card, card_markdown
from detent.loop.report.incident import incident_text, timeline
from detent.loop.report.monitor import collect
from detent.loop.report.monitor_page import card_html, incident_html, monitor_html
from detent.loop.report.monitor_text import monitor_text
from detent.loop.watching.gauges import render, write_gauges
from detent.loop.workspace import Workspace, open_workspace
from detent.monitor import store
from detent.monitor.outbox import deliver
from detent.records.event import Fact
from detent.records.finding import Finding
from detent.serving.counts.metrics import exposition
from detent.serving.places import counter_files
from detent.store import ledger
from detent.store.clock import VirtualClock, iso
from phone import WIDTH, needs_chromium, widths

DAY = timedelta(days=1)
HOSTILE = "</script><b onload=x>tem`p & humid"


def finding(kind: str, severity: str, at: datetime, **more) -> Finding:
    column, statistic = ("temp", "psi") if kind == "drift" else (None, "roc_auc")
    made = Finding(
        kind=kind, severity=severity, column=column, statistic=statistic, value=0.3, low=0.2, high=0.4, threshold=0.1,
        rows=500, window_start=iso(at - DAY), window_end=iso(at), message=f"{kind} is {severity}.", version=1,
    )  # fmt: skip
    return replace(made, **more)


class Days:
    """A project whose windows pass, one a day, with what the monitor finds in them."""

    def __init__(self, ws: Workspace, folder: Path) -> None:
        now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        self.clock = VirtualClock(folder / "clock", start=now)
        self.ws = replace(ws, clock=self.clock)

    def window(self, *found: tuple[str, str, dict], rows: int = 100) -> datetime:
        ws, endpoint = self.ws, self.ws.project.serving.endpoint
        self.clock.set(ws.now() + DAY)
        now = ws.now()
        made = [finding(kind, severity, now, **more) for kind, severity, more in found]
        told = {
            "what": "traffic", "start": iso(now - DAY), "end": iso(now), "rows": rows, "severity": "INFO",
            "drift": 0.0, "drift_severity": "INFO",
        }  # fmt: skip
        with ws.db.transaction() as tx:
            store.save_findings(tx, made, endpoint=endpoint, version=1, actor=ws.actor, now=now)
            fact = Fact(kind="window.watched", subject=f"traffic:{endpoint}", actor=ws.actor, payload=told)
            ledger.append(tx, fact, now)
            notify(ws, tx, made, kinds=("drift", "errors", "quality", "labels"))
        return now


@pytest.fixture
def days(served: Workspace, tmp_path: Path) -> Days:
    return Days(served, tmp_path)


def test_a_project_without_state_has_a_report(project: Path) -> None:
    says(open_workspace(project), "No version serves yet")


def test_a_project_without_windows_has_a_report(served: Workspace) -> None:
    says(served, "No window has ended yet")


def says(ws: Workspace, words: str) -> None:
    report = collect(ws)
    assert report.standing.headline.startswith(words)
    assert words in monitor_html(report)
    assert words in "\n".join(monitor_text(report))
    json.dumps(asdict(report))


def test_one_quiet_window_is_a_report_and_quality_is_not_known(days: Days) -> None:
    days.window()
    report = collect(days.ws)
    assert len(report.windows) == 1
    assert report.standing.headline == "How good the answers are is not known yet."
    assert "No input moved" in monitor_html(report)


def test_the_headline_says_the_worst_in_plain_words(days: Days) -> None:
    days.window(("quality", "INFO", {}))
    assert collect(days.ws).standing.headline == "All is well."
    days.window(("quality", "INFO", {}), ("drift", "WARNING", {}))
    assert collect(days.ws).standing.headline == "Quality holds, while the data has moved."
    days.window(("quality", "WARNING", {}))
    assert collect(days.ws).standing.headline == "Quality is measurably worse than at the gate."
    days.window(("quality", "CRITICAL", {}))
    assert collect(days.ws).standing.headline == "Quality is below its floor."
    days.clock.set(days.ws.now() + 5 * days.ws.project.monitor.window)
    assert "has not looked since" in collect(days.ws).standing.headline


def story(days: Days) -> None:
    days.window(("quality", "INFO", {}), ("drift", "INFO", {}))
    days.window(("quality", "INFO", {}), ("drift", "WARNING", {}), ("drift", "WARNING", {"column": HOSTILE}))
    days.window(("quality", "CRITICAL", {}), ("drift", "WARNING", {}), ("labels", "INFO", {"statistic": "coverage"}))
    days.window(("quality", "INFO", {}), ("drift", "WARNING", {"slice": "origin=JFK", "low": None}))
    deliver(days.ws.db, monitor_channels(days.ws), now=days.ws.now())
    for _ in range(3):
        days.window(("quality", "INFO", {}))


def monitor_channels(ws: Workspace):
    from detent.loop.alerts.channels import open_channels

    return open_channels(ws)


def test_every_number_on_every_page_is_an_entry_of_the_ledger_that_says_so(days: Days) -> None:
    story(days)
    report = collect(days.ws)
    known = {event.seq: event for event in ledger.read(days.ws.db)}
    pages = [monitor_html(report), "\n".join(monitor_text(report)), card_markdown(card(days.ws, 1))]
    pages += ["\n".join(incident_text(timeline(days.ws, number))) for number in range(1, len(report.alerts) + 1)]
    for page in pages:
        numbers = [int(number) for number in re.findall(r"(?<!&)#(\d+)\b", page)]
        assert numbers
        assert set(numbers) <= set(known)
    for row in (*report.quality, *(row.latest for row in report.columns), *report.slices):
        said = known[row.seq]
        assert said.kind == "window.judged"
        assert row.text in [finding["message"] for finding in said.payload["findings"]]
    assert {known[row.seq].kind for row in report.windows} == {"window.watched"}
    assert {known[row.seq].kind for row in report.episodes} == {"episode.opened"}
    assert {known[row.seq].kind for row in report.alerts} == {"alert.raised"}
    assert all(known[row.seq].kind == row.kind for row in report.decisions)


def test_the_pages_need_nothing_else_run_nothing_and_escape_everything(days: Days) -> None:
    story(days)
    pages = [
        monitor_html(collect(days.ws)), incident_html(timeline(days.ws, 1)), card_html(card(days.ws, 1)),
    ]  # fmt: skip
    for page in pages:
        assert "<script" not in page
        assert HOSTILE not in page
        assert not re.search(r"(?:src|href|url|@import)\s*[=(]?\s*[\"']?(?:https?:)?//", page)
        assert "<link" not in page
    assert html.escape(HOSTILE, quote=False)[:20] in pages[0]


@needs_chromium
def test_no_page_is_wider_than_a_phone(days: Days, tmp_path: Path) -> None:
    days.window(("quality", "INFO", {}), ("drift", "WARNING", {"column": "a_column_with_a_very_long_name_" * 3}))
    story(days)
    pages = [monitor_html(collect(days.ws)), incident_html(timeline(days.ws, 1)), card_html(card(days.ws, 1))]
    found = widths(pages, tmp_path)
    assert len(found) == 3
    assert max(found) <= WIDTH


def test_an_incident_goes_from_the_first_weak_sign_to_its_end(days: Days) -> None:
    story(days)
    drift = timeline(days.ws, 1)
    assert drift.title == "Data drifts: </script><b onload=x>tem`p & humid, temp"
    whats = [moment.what for moment in drift.moments]
    assert whats[0] == "first seen"
    assert drift.moments[0].text.endswith("drift is INFO.")  # the day before the alert, when it was a weak sign
    assert whats.index("alert") < whats.index("delivered") < whats.index("episode closed")
    quality = timeline(days.ws, 2)
    assert [moment.what for moment in quality.moments][:3] == ["first seen", "episode opened", "alert"]
    assert quality.over
    seqs = [moment.seq for moment in quality.moments]
    assert seqs == sorted(seqs)


def test_an_incident_that_never_was_is_an_error_that_says_how_many_there_were(days: Days) -> None:
    with pytest.raises(DetentError, match="no incident 7"):
        timeline(days.ws, 7)


def test_windows_before_the_time_asked_for_are_left_out(days: Days) -> None:
    for _ in range(5):
        last = days.window(("quality", "INFO", {}), ("drift", "WARNING", {}))
    report = collect(days.ws, last - 2 * DAY)
    assert len(report.windows) == len(report.quality) == 2
    assert [len(row.cells) for row in report.columns] == [2]
    assert len(collect(days.ws).windows) == 5


def test_the_card_says_what_the_gate_said_and_how_the_version_lived(days: Days) -> None:
    days.window(("quality", "INFO", {}))
    text = card_markdown(card(days.ws, 1))
    for check in days.ws.project.gate:
        assert check.text in text
    drawn = Card(title="a", lead="b", sections=(Section(title="c", sentences=("size <= 5MB of <b>bold</b> | x",)),))
    assert "- size <= 5MB of &lt;b>bold&lt;/b> \\| x\n" in card_markdown(drawn)
    for words in ("## Limits", "## In production", "roc_auc | 0.300 | 0.200 to 0.400", "## Cost", "## Inputs"):
        assert words in text
    with pytest.raises(DetentError, match="no version 9"):
        card(days.ws, 9)


def test_gauges_say_the_state_and_are_shown_with_the_counters(days: Days) -> None:
    assert b"detent_monitor_window_seconds" in render(days.ws)
    end = days.window(
        ("quality", "CRITICAL", {}), ("drift", "WARNING", {}), ("labels", "INFO", {"statistic": "coverage"})
    )
    text = write_gauges(days.ws).decode()
    model = days.ws.model
    for line in (
        f'detent_alert_state{{kind="quality",model="{model}",version="1"}} 3.0',
        f'detent_alert_state{{kind="drift",model="{model}",version="1"}} 2.0',
        f'detent_alert_state{{kind="meta",model="{model}",version="1"}} 0.0',
        f'detent_drift_effect{{column="temp",model="{model}",statistic="psi"}} 0.3',
        f'detent_quality{{bound="low",metric="roc_auc",model="{model}",version="1"}} 0.2',
        f'detent_label_coverage{{model="{model}",version="1"}} 0.3',
        f'detent_alerts_waiting{{model="{model}"}} 1.0',
    ):
        assert line in text.splitlines()
    (stamp,) = re.findall(r"^detent_monitor_last_window_timestamp_seconds\{.*\} (\S+)$", text, re.MULTILINE)
    assert float(stamp) == end.timestamp()
    assert exposition(counter_files(days.ws.state)).decode().endswith(text)
    days.window()
    assert "detent_drift_effect{" not in write_gauges(days.ws).decode()  # what came back is not shown any more


def test_the_commands_print_write_and_test(days: Days, tmp_path: Path) -> None:
    story(days)
    folder, run = Path(days.ws.project.folder), CliRunner()
    shown = run.invoke(monitor_report.report, [], obj=folder, catch_exceptions=False).output
    assert all(len(line) <= 100 for line in shown.splitlines())
    whole = json.loads(run.invoke(monitor_report.report, ["--json"], obj=folder, catch_exceptions=False).output)
    assert whole["events"] > 0
    page = tmp_path / "deep" / "page.html"
    run.invoke(monitor_report.report, ["--html", str(page)], obj=folder, catch_exceptions=False)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "Data drifts" in run.invoke(monitor_report.incident, [], obj=folder, catch_exceptions=False).output
    for span in ("soon", "9999999d", "999999999999999d"):
        refused = run.invoke(monitor_report.report, ["--since", span], obj=folder, catch_exceptions=False)
        assert refused.exit_code == 2
    tested = run.invoke(monitor_report.channels, ["--test"], obj=folder, catch_exceptions=False)
    assert (tested.exit_code, "taken" in tested.output) == (0, True)
    assert "DetentMonitorStale" in run.invoke(monitor_report.rules, []).output
    assert run.invoke(monitor_report.report, ["--since", "soon"], obj=folder).exit_code == 2
