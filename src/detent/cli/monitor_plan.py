"""`detent monitor plan` and `detent monitor show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from detent.monitor.forecast import Forecast, Seeable


@click.command("plan")
@click.option(
    "--rows", type=click.IntRange(1, 10**12), help="Predictions per window (default: as in the last windows)."
)
@click.option("--version", "number", type=click.IntRange(min=1), help="Version (default: the champion, or the newest).")
@click.pass_obj
def plan(folder: Path, rows: int | None, number: int | None) -> None:
    """Say, before it is switched on, what monitoring costs in false alarms and what it will find."""
    from detent.errors import RefusedError
    from detent.loop.champion import champion_version
    from detent.loop.watching.drift import monitor_forecast
    from detent.loop.workspace import open_workspace
    from detent.registry import versions

    ws = open_workspace(folder)
    if number is not None:
        version = versions.get(ws.db, ws.model, number)
    else:
        version = champion_version(ws) or next(reversed(versions.all_versions(ws.db, ws.model)), None)
    if version is None:
        raise RefusedError(
            what="there is no version to watch",
            why="what can be found depends on a model's training data, and no model is registered yet",
            fix="run `detent run` first",
        )
    click.echo(f"version {version.number} of {ws.model}")
    for line in plan_lines(monitor_forecast(ws, version, rows)):
        click.echo(line)


@click.command("show")
@click.option("--since", metavar="TIME", help="How far back, such as 7d (default: 30d).")
@click.option("--all", "everything", is_flag=True, help="Also what is only information.")
@click.pass_obj
def show(folder: Path, since: str | None, everything: bool) -> None:
    """Show what was found, newest last."""
    from detent.loop.workspace import open_workspace
    from detent.monitor.store import findings
    from detent.project.durations import parse_duration
    from detent.records.finding import INFO

    ws = open_workspace(folder)
    try:
        start = ws.now() - parse_duration(since or "30d")
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    found = findings(ws.db, ws.project.serving.endpoint, since=start)
    shown = [finding for finding in found if everything or finding.severity != INFO]
    for finding in shown:
        window = finding.window_start[:16].replace("T", " ")
        click.echo(f"{window}  {finding.severity:<8}  {finding.kind:<8}  {finding.message}")
    quiet = len(found) - len(shown)
    if not shown:
        click.echo(f"nothing that matters was found in the last {since or '30d'}")
    if quiet:
        click.echo(f"{quiet} more are only information: --all shows them")


def plan_lines(told: Forecast) -> Iterator[str]:
    """Yield the budget, and for each column the smallest change that is found, and when."""
    from detent.monitor.budget import INPUTS, PREDICTION, QUALITY

    scales = ", ".join(map(str, told.budget.scales))
    yield (
        f"false alarms  at most {told.false_alarms:.3g} in 30 days, on average ({INPUTS:.0%} inputs, "
        f"{PREDICTION:.0%} prediction, {QUALITY:.0%} quality)"
    )
    yield f"windows       of {_span(told.window)}, looked at {scales} together"
    wide = max(len("column"), *(len(column.column) for column in told.columns))
    heads = [f"found within {_span(horizon)} at 95 %" for horizon in told.horizons]
    yield ""
    yield f"{'column':<{wide}}  rows/window  " + "  ".join(f"{head:<28}" for head in heads).rstrip()
    for column in told.columns:
        sizes = "  ".join(f"{_size(column, size):<28}" for size in column.within)
        row = f"{column.column:<{wide}}  {column.rows:>11,.0f}  {sizes}".rstrip()
        yield row + (
            f"  (rows of a day are alike: {column.inflation:.1f} count as 1)" if column.inflation > 1.1 else ""
        )
    yield ""
    yield "sd: interquartile range / 1.35. A change of shares: rows that go from the commonest level to the next."


def _size(column: Seeable, size: float | None) -> str:
    if size is None:
        return "nothing: too few rows" if column.rows else "nothing: no rows"
    return f"a shift of {size:.2g} sd" if column.unit == "sd" else f"{size:.1%} of rows change level"


def _span(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    if hours % 24 == 0:
        days = int(hours // 24)
        return f"{days} day{'' if days == 1 else 's'}"
    return f"{hours:g} h"
