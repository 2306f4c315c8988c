"""The last screen of a replay."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from detent.loop.report.compare import ALWAYS, LIVE, NEVER
from detent.loop.simulated.conclude import Conclusion


def show(console: Console, conclusion: Conclusion, *, seconds: float) -> None:
    """Print events by kind, sabotage, quality against the baselines, and where the report lies."""
    console.print(_events(conclusion))
    console.print(_sabotage(conclusion))
    console.print(_quality(conclusion))
    console.print(conclusion.standing, style="bold")
    audit = conclusion.audit
    console.print(
        f"{conclusion.predictions:,} predictions over HTTP, {conclusion.failed:,} callers without an answer, "
        f"{audit.events:,} events, {seconds:.0f} s."
    )
    console.print(f"ledger {'intact' if audit.intact else 'BROKEN'}; content digest {audit.content[:16]}")
    console.print(f"picture: {conclusion.picture}\nreport:  {conclusion.page}")
    for complaint in conclusion.complaints:
        console.print(f"[red]missing:[/red] {complaint}")


def _events(conclusion: Conclusion) -> Table:
    table = Table(title="events in the ledger", title_justify="left", box=None, pad_edge=False)
    table.add_column("kind")
    table.add_column("events", justify="right")
    for kind, count in conclusion.story.counts:
        table.add_row(kind, f"{count:,}")
    return table


def _sabotage(conclusion: Conclusion) -> Table:
    table = Table(title="known-bad candidates", title_justify="left", box=None, pad_edge=False)
    for name in ("sabotage", "stopped", "why"):
        table.add_column(name)
    for kind, where, why in conclusion.story.sabotage:
        table.add_row(kind, where, why)
    return table


def _quality(conclusion: Conclusion) -> Table:
    comparison = conclusion.comparison
    table = Table(title=f"{comparison.metric} on the same rows", title_justify="left", box=None, pad_edge=False)
    for name in ("month", "rows", "live", "never retrained", "always promoted"):
        table.add_column(name, justify="left" if name == "month" else "right")
    for row in comparison.months.iter_rows(named=True):
        values = ["–" if row[policy] is None else f"{row[policy]:.4f}" for policy in (LIVE, NEVER, ALWAYS)]
        table.add_row(row["month"], f"{row['rows']:,}", *values)
    for name, values in (("mean", comparison.mean), ("all rows", comparison.overall), *comparison.extra.items()):
        table.add_row(name, "", *(f"{values[policy]:.4f}" for policy in (LIVE, NEVER, ALWAYS)))
    return table
