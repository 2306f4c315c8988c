"""What served at a moment, told from the registry and the ledger."""

from __future__ import annotations

from detent.gate import store as verdicts
from detent.loop.champion import CHAMPION
from detent.loop.workspace import Workspace
from detent.registry import aliases, versions
from detent.store import ledger


def state_at(ws: Workspace, moment: str) -> list[str]:
    """Return lines that say who answered at `moment` (ISO), what it was made and judged on, who moved it and why."""
    changes = [
        change for change in aliases.history(ws.db, ws.model) if change.alias == CHAMPION and change.at <= moment
    ]
    if not changes or changes[-1].number is None:
        return [f"{moment[:19]}: nothing was deployed"]
    change = changes[-1]
    version = versions.get(ws.db, ws.model, int(change.number or 0))
    lines = [
        f"at {moment[:19]} UTC",
        f"  champion     version {version.number} of {version.model} ({version.origin}, run {version.run})",
        f"  since        {change.at[:19]} by {change.actor}",
        f"  because      {change.reason}",
        f"  bundle       {version.digest}",
    ]
    verdict = verdicts.load(ws.db, version.verdict)
    lines += [
        f"  judged       {verdict.judged_at[:19]}: {verdict.decision}, {len(verdict.results)} checks",
        f"  on data      {verdict.data_digest}",
        f"  by policy    {verdict.policy_digest}",
        f"  against      {verdict.champion_digest or 'no champion'}",
    ]
    route = None
    for event in ledger.read(ws.db, kind="route.changed", until=moment):
        route = event
    if route is not None:
        lines.append(
            f"  traffic      {_traffic(route.payload['after'], route.payload['shadows'])} ({route.payload['reason']})"
        )
    return lines


def _traffic(weights: dict[str, int], shadows: list[int]) -> str:
    shares = ", ".join(f"version {number} {weight / 100:g} %" for number, weight in weights.items())
    return shares + (f"; shadow: version {', '.join(map(str, shadows))}" if shadows else "")
