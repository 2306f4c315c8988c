"""The monitor report, a model card or an incident as one HTML file: no script, nothing is fetched, fit for a phone."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import jinja2
from markupsafe import Markup

from detent.loop.report.card import Card
from detent.loop.report.svg import Mark, Point, Square, plot, table
from detent.loop.report.views import SHARES, Cell, Incident, Measured, MonitorReport
from detent.records.finding import CRITICAL, INFO, WARNING
from detent.store.clock import parse

TONES = {INFO: "good", WARNING: "warn", CRITICAL: "bad"}
PHONE, DESK = 328, 620  # pixels of a picture
SHOWN = 20  # rows of a table before the rest is folded away
FAR = 1.0  # an effect of this size has the full colour, and so has a share of half of the rows


def monitor_html(report: MonitorReport) -> str:
    """Return the page; every text in it is escaped."""
    return _rendered(
        "monitor.html.j2",
        report=report,
        shown=SHOWN,
        again=_again(report),
        quality=_both(lambda width: _quality(report, width)),
        drift=_both(lambda width: _drift(report, width)),
        labels=_both(lambda width: _shares(report.coverage, width)),
        traffic=_both(lambda width: _traffic(report, width)),
    )


def _again(report: MonitorReport) -> str:
    """Say which windows were judged once more, with late answers of which hosts; "" for none."""
    late = [window for window in report.windows if window.came]
    if not late:
        return ""
    hosts = ", ".join(sorted({host for window in late for host in window.came}))
    end = when(late[-1].end)
    if len(late) == 1:
        return f"The window up to {end} was judged again with late answers of {hosts}."
    return f"{len(late)} windows were judged again with late answers of {hosts}, the last one up to {end}."


def card_html(card: Card) -> str:
    """Return a model card as a page."""
    return _rendered("card.html.j2", title=card.title, lead=card.lead, sections=card.sections, moments=())


def incident_html(incident: Incident) -> str:
    """Return a timeline as a page."""
    lead = f"{incident.severity}, {'over' if incident.over else 'still open'}."
    title = f"Incident {incident.number}: {incident.title}"
    return _rendered("card.html.j2", title=title, lead=lead, sections=(), moments=incident.moments)


def _rendered(name: str, **values: object) -> str:
    folder = resources.files("detent.loop.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"when": when, "day": day, "number": number, "tone": TONES.__getitem__}
    style = Markup(folder.joinpath("page.css").read_text(encoding="utf-8"))  # noqa: S704  (our own file)
    return environment.from_string(folder.joinpath(name).read_text(encoding="utf-8")).render(style=style, **values)


def when(text: str) -> str:
    """Return a time as people read it: "2013-12-27 00:00"."""
    return text[:16].replace("T", " ")


def day(text: str) -> str:
    """Return the day of a time."""
    return text[:10]


def number(value: float | None) -> str:
    """Return a number with three digits behind the point; a dash for none."""
    return "–" if value is None else f"{value:.3f}"


def _both(draw) -> Markup:
    """Draw for a phone and for a desk; the page shows one of them."""
    phone, desk = draw(PHONE), draw(DESK)
    return Markup(f'<div class="phone">{phone}</div><div class="desk">{desk}</div>') if phone else Markup("")  # noqa: S704


def _quality(report: MonitorReport, width: int) -> str:
    points = [_point(row) for row in report.quality]
    limit = None if report.floor is None else (f"floor {report.floor:g}", report.floor)
    return plot(
        points,
        width=width,
        height=200 if width == PHONE else 260,
        limit=limit,
        marks=_promotions(report),
        about=f"{report.metric} by window, with its bounds",
    )


def _point(row: Measured) -> Point:
    return Point(
        value=row.value, low=row.low, high=row.high, tone=TONES[row.severity], label=_short(row.end), title=row.text
    )


def _shares(rows: Sequence[Measured], width: int) -> str:
    points = [_point(row) for row in rows]
    return plot(points, width=width, height=120, about="share of answers whose label is known, by window", share=True)


def _traffic(report: MonitorReport, width: int) -> str:
    points = [
        Point(value=row.rows, low=None, high=None, tone="soft", label=_short(row.end), title=f"{row.rows:,} requests")
        for row in report.windows
    ]
    return plot(points, width=width, height=120, about="requests by window")


def _promotions(report: MonitorReport) -> list[Mark]:
    """Place each promotion between the windows of the plot of quality."""
    ends = [parse(row.end) for row in report.quality]
    marks = []
    for decision in reversed(report.decisions):
        if decision.kind == "rollout.promoted" and decision.version is not None:
            at = parse(decision.at)
            later = next((place for place, end in enumerate(ends) if end >= at), None)
            if later is not None:
                span = (ends[later] - parse(report.quality[later].start)).total_seconds() or 1.0
                part = (ends[later] - at).total_seconds() / span
                marks.append(Mark(at=max(-0.5, later - min(part, 1.0)), text=f"v{decision.version}"))
    return marks


def _drift(report: MonitorReport, width: int) -> str:
    rows = [(row.name, [_square(cell) for cell in row.cells]) for row in report.columns[:SHOWN]]
    labels = [_short(window.end) for window in report.windows]
    return table(rows, width=width, labels=labels, about="columns that moved, by window: the darker the further")


def _square(cell: Cell | None) -> Square | None:
    if cell is None:
        return None
    strength = 2 * cell.value if cell.statistic in SHARES else cell.value / FAR
    tone = "soft" if cell.severity == INFO else TONES[cell.severity]
    return Square(tone=tone, strength=min(1.0, max(0.0, strength)), title=f"{day(cell.end)}: {cell.text}")


def _short(text: str) -> str:
    return parse(text).strftime("%d %b").lstrip("0")
