"""The monitor report for a terminal: at most 100 columns, the newest first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from detent.loop.report.views import AlertRow, ColumnRow, Measured, MonitorReport, WindowRow
from detent.records.finding import INFO
from detent.rollout.words import count

WIDTH = 100
QUALITY, COLUMNS, ALERTS, DECISIONS = 6, 10, 5, 6  # lines of each part


def monitor_text(report: MonitorReport) -> list[str]:
    """Return the lines: how things stand, then the newest of each part. A number behind # is an entry in the ledger."""
    period = f", windows from {report.start[:10]} to {report.end[:10]}" if report.windows else ""
    lines = [f"{report.project}{period}", "", report.standing.headline]
    for text, seq in report.standing.sentences:
        lines += wrapped(text, seq, indent="  ")
    lines += _hosts(report.windows)
    if report.quality:
        lines += ["", "QUALITY", *_quality(report.quality[::-1], report.metric)]
    if report.columns:
        lines += ["", "DRIFT", *_columns(report.columns)]
    if report.together:
        newest = report.together[-1]
        lines += ["", "TOGETHER", *wrapped(f"{newest.end[:10]}  {newest.text}", newest.seq, indent="  ", hang=12)]
        lines += _more(len(report.together) - 1, "earlier windows")
    if report.alerts:
        lines += ["", "ALERTS", *_alerts(report.alerts)]
    lines += [*_plain("NOT DELIVERED", report.undelivered)]
    if report.decisions:
        lines += ["", "DECISIONS"]
        for row in report.decisions[:DECISIONS]:
            lines += wrapped(f"{row.at[:16].replace('T', ' ')}  {row.text}", row.seq, indent="  ", hang=18)
        lines += _more(len(report.decisions) - DECISIONS, "earlier decisions")
    state = "intact" if report.intact else "BROKEN: see detent verify"
    return [*lines, "", f"#n is entry n of the ledger ({count(report.events, 'event')}, {state}): detent log"]


def _hosts(windows: Sequence[WindowRow]) -> list[str]:
    """Say in which windows answers of other hosts were missing, or came late."""
    lines = list[str]()
    lacking, came = [one for one in windows if one.lacking], [one for one in windows if one.came and not one.lacking]
    for rows, what in ((lacking, "was judged without all answers of"), (came, "was judged again with late answers of")):
        if rows:
            newest = rows[-1]
            said = f"{newest.end[:16]}  the window {what} {', '.join(newest.lacking or newest.came)}"
            lines += wrapped(said, newest.seq, indent="  ", hang=18)
            lines += _more(len(rows) - 1, "earlier windows")
    return ["", "HOSTS", *lines] if lines else []


def wrapped(text: str, seq: int | None, *, indent: str = "", hang: int = 0) -> list[str]:
    """Return a sentence in lines of at most 100 columns, with the number of its entry at its end."""
    whole = text if seq is None else f"{text} #{seq}"
    return textwrap.wrap(
        whole, WIDTH, initial_indent=indent, subsequent_indent=indent + " " * hang, break_on_hyphens=False
    ) or [indent.rstrip()]


def _quality(rows: Sequence[Measured], metric: str) -> list[str]:
    lines = [f"  {'up to':<12}{metric:>10}{'bounds':>20}{'rows':>9}{'version':>9}"]
    for row in rows[:QUALITY]:
        bounds = "" if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}"
        mark = "" if row.severity == INFO else row.severity
        version = "" if row.version is None else str(row.version)
        lines.append(
            f"  {row.end[:10]:<12}{row.value:>10.3f}{bounds:>20}{row.rows:>9,}{version:>9}  #{row.seq} {mark}".rstrip()
        )
    return lines + _more(len(rows) - QUALITY, "earlier windows")


def _columns(rows: Sequence[ColumnRow]) -> list[str]:
    wide = min(30, max(len(row.name) for row in rows[:COLUMNS]) + 2)
    lines = [f"  {'column':<{wide}}{'last value':>14}  {'mattered in':<14}last found"]
    for row in rows[:COLUMNS]:
        often = f"{row.warned} of {len(row.cells)}"
        mark = "" if row.latest.severity == INFO else row.latest.severity
        name = row.name if len(row.name) < wide else row.name[: wide - 2] + "…"
        found = f"{row.latest.end[:10]:<12}#{row.latest.seq} {mark}".rstrip()
        lines.append(f"  {name:<{wide}}{row.latest.size:>14}  {often:<14}{found}")
    return lines + _more(len(rows) - COLUMNS, "more columns")


def _alerts(rows: Sequence[AlertRow]) -> list[str]:
    lines = []
    for row in rows[:ALERTS]:
        text = f"{row.number:>3}  {row.at[:16].replace('T', ' ')}  {row.severity:<8}  {row.title}"
        lines += wrapped(text, row.seq, indent="  ", hang=23)
    lines += _more(len(rows) - ALERTS, "earlier alerts")
    return [*lines, "  detent monitor incident NUMBER tells how one came about"]


def _plain(title: str, sentences: Sequence[str]) -> list[str]:
    if not sentences:
        return []
    return ["", title, *(line for text in sentences for line in wrapped(text, None, indent="  "))]


def _more(count: int, what: str) -> list[str]:
    return [f"  and {count} {what}"] if count > 0 else []
