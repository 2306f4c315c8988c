"""`detent replay`: ask a version what was asked before, and see what would have been answered."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detent.cli.typed import Number

if TYPE_CHECKING:
    from detent.loop.releases.replay import Replay

_WHY = {
    "hashed": "`{}` is hashed in the log",
    "cut": "`{}` was too long and is cut in the log",
    "missing": "`{}` is not in the log",
}


@click.command("replay")
@click.option("--since", default="7d", show_default=True, help="Age, such as 6h or 7d, or ISO time (UTC).")
@click.option("--until", help="The same; default: now.")
@click.option("--version", "number", type=click.IntRange(min=1), help="Version to ask.")
@click.option("--alias", help="Or the version that this alias points to (default: champion).")
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest N predictions.")
@click.option("--tolerance", type=Number(min=0.0), default=1e-6, show_default=True,
              help="Answers farther apart than this, times max(1, |answer|), count as changed.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with everything.")
@click.pass_obj
def command(
    folder: Path,
    since: str,
    until: str | None,
    number: int | None,
    alias: str | None,
    limit: int | None,
    tolerance: float,
    as_json: bool,
) -> None:
    """Give logged inputs to any registered version, offline, and compare answers, failures and speed.

    Nothing is written: no row of the log, no counter, no event.
    """
    from dataclasses import asdict

    from detent.cli.moments import ago
    from detent.loop.champion import CHAMPION
    from detent.loop.releases.replay import Asked, chosen, replay
    from detent.loop.workspace import open_workspace

    if number is not None and alias is not None:
        raise click.UsageError("--version and --alias both name a version; give one of them")
    ws = open_workspace(folder)
    asked = Asked(
        since=ago(since, ws.now(), "--since"), until=None if until is None else ago(until, ws.now(), "--until"),
        limit=limit,
        tolerance=tolerance,
    )  # fmt: skip
    version = chosen(ws, number, alias or CHAMPION)
    # Without a terminal there is nobody to watch a bar; click then writes nothing.
    with click.progressbar(length=1, label=f"asking version {version.number}", file=sys.stderr) as bar:

        def watch(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        done = replay(ws, version, asked, watch=watch)
    if as_json:
        click.echo(json.dumps(asdict(done)))
        return
    for line in _lines(done):
        click.echo(line)


def _lines(done: Replay) -> list[str]:
    found = done.difference
    return [
        f"{done.replayed:,} of {done.logged:,} logged predictions, {done.first[:16]} to {done.last[:16]} UTC,"
        f" asked again of version {done.version}: {done.rows_per_second:,.0f} rows/s in batches",
        *(f"  left out {count:,}: {_WHY[what].format(name)}" for what, name, count in done.left_out),
        "",
        f"{'':16}{'then':>12}{'now':>12}",
        f"{'failed':16}{done.errors_before:>12,}{done.errors_after:>12,}",
        f"{'  one by one':16}{'':12}{done.alone_failed:>12,}  of {done.alone:,}",
        *([f"  the first failure says: {done.error[:200]}"] if done.error else []),
        *_latency(done),
        "",
        f"{'answers':16}{found.rows:>12,}  compared",
        f"{'changed':16}{found.changed:>12,}  {found.share:.2%}, by more than {found.tolerance:g}",
        f"{'mean change':16}{found.mean:>+12.6f}",
        *(f"{_share(share):16}{value:>12.6f}" for share, value in found.quantiles),
        *_flips(found.flips),
        *_largest(done),
    ]


def _latency(done: Replay) -> list[str]:
    then, now = dict(done.seconds_before), dict(done.seconds_after)
    return [
        f"{f'p{share * 100:g}':16}{_microseconds(then.get(share))}{_microseconds(now.get(share))}"
        for share in sorted({*then, *now})
    ]


def _microseconds(seconds: float | None) -> str:
    return f"{'-':>12}" if seconds is None else f"{seconds * 1e6:>9,.0f} us"


def _flips(flips: tuple[int, int] | None) -> list[str]:
    return [] if flips is None else [f"{'label flips':16}{sum(flips):>12,}  at 0.5: {flips[0]:,} up, {flips[1]:,} down"]


def _share(share: float) -> str:
    return "largest change" if share == 1 else f"p{share * 100:g} of changes"


def _largest(done: Replay) -> list[str]:
    rows = done.difference.largest
    if not rows:
        return []
    return [
        "",
        f"{'farthest apart':42}{'then':>12}{'now':>12}",
        *(f"{row.id:42}{row.before:>12.6f}{row.after:>12.6f}" for row in rows),
    ]
