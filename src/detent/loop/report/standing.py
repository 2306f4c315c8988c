"""The first lines of the report: how things stand, in plain words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from detent.loop.report.views import ColumnRow, Measured, MonitorReport, Standing
from detent.monitor.episodes import TITLES
from detent.records.finding import CRITICAL, INFO, WARNING

GOOD, WARN, BAD, SOFT = "good", "warn", "bad", "soft"
OUTPUT = "prediction"


def standing(report: MonitorReport, *, silent: bool) -> Standing:
    """Say how things stand; `silent`: no window has been judged for too long."""
    if not report.windows:
        why = "No window has ended yet" if report.champion is not None else "No version serves yet"
        return Standing(headline=f"{why}: there is nothing to report.", tone=SOFT, sentences=())
    latest = report.quality[-1] if report.quality else None
    moved = [row for row in report.columns if row.cells[-1] is not None]
    sentences = [_quality(report, latest), *_estimate(report), _drift(moved, report.windows[-1].seq), _labels(report)]
    sentences += [_acted(report)]
    tone, headline = _headline(report, latest, silent=silent)
    return Standing(headline=headline, tone=tone, sentences=tuple(item for item in sentences if item is not None))


def _headline(report: MonitorReport, latest: Measured | None, *, silent: bool) -> tuple[str, str]:
    if silent:
        return BAD, f"The monitor has not looked since {report.end[:16].replace('T', ' ')} UTC."
    if latest is not None and latest.severity == CRITICAL:
        return BAD, "Quality is below its floor."
    urgent = [row for row in report.episodes if row.open and row.severity == CRITICAL and row.key[:6] != "drift:"]
    if urgent:
        kind, _, thing = urgent[0].key.partition(":")
        return BAD, f"{TITLES.get(kind, kind)}: {thing}."
    if latest is not None and latest.severity == WARNING:
        return WARN, "Quality is measurably worse than at the gate."
    wide = any(cell.severity != INFO for row in report.columns if (cell := row.cells[-1]) is not None)
    if latest is None:
        return SOFT, "How good the answers are is not known yet." + (" The data has moved." if wide else "")
    return (GOOD, "Quality holds, while the data has moved.") if wide else (GOOD, "All is well.")


def _quality(report: MonitorReport, latest: Measured | None) -> tuple[str, int | None]:
    if latest is None:
        return f"No {report.metric} was measured: no labels have come for these windows.", None
    bounds = "" if latest.low is None or latest.high is None else f" ({latest.low:.3f} to {latest.high:.3f})"
    text = f"{latest.metric} was {latest.value:.3f}{bounds} on {latest.rows:,} labelled rows up to {latest.end[:10]}"
    text += "" if report.floor is None else f"; its floor is {report.floor:g}"
    return f"{text}.", latest.seq


def _estimate(report: MonitorReport) -> list[tuple[str, int | None]]:
    if not report.estimates:
        return []
    latest = report.estimates[-1]
    bounds = "" if latest.low is None or latest.high is None else f" ({latest.low:.3f} to {latest.high:.3f})"
    text = f"Without labels, {latest.metric} is estimated at {latest.value:.3f}{bounds} up to {latest.end[:10]}."
    return [(text, latest.seq)]


def _drift(moved: Sequence[ColumnRow], seq: int) -> tuple[str, int | None]:
    serious = [row.name for row in moved if (cell := row.cells[-1]) is not None and cell.severity != INFO]
    named, output = [name for name in serious if name != OUTPUT], OUTPUT in serious
    if not serious:
        return "No input moved in the last window by an amount that matters.", seq
    listed = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    inputs = f"{len(named)} inputs differ from training in the last window: {listed}." if named else ""
    inputs = inputs.replace("1 inputs differ", "1 input differs")
    scores = "" if not output else " The model's output moved too." if named else "The model's output moved."
    return f"{inputs}{scores} Drift says that the data changed, not that answers got worse.", seq


def _labels(report: MonitorReport) -> tuple[str, int | None] | None:
    if not report.coverage:
        return None
    latest = report.coverage[-1]
    return f"{latest.value:.0%} of the answers up to {latest.end[:10]} have their label.", latest.seq


def _acted(report: MonitorReport) -> tuple[str, int | None]:
    runs = report.trainings
    if not runs:
        return "Nothing was trained in this time.", None
    last = runs[0]
    became = f"became version {last.version}" if last.version is not None else f"was {last.verdict or 'not judged'}"
    count = "1 training" if len(runs) == 1 else f"{len(runs)} trainings"
    return f"{count} in this time; the last one, on {last.at[:10]} ({last.asked_by}), {became}.", last.seq
