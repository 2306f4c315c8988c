"""The screen of `detent status`."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from detent.loop.traffic import desired_route
from detent.loop.workspace import Workspace
from detent.monitor import store as monitor
from detent.registry import aliases, versions
from detent.rollout import store as rollouts
from detent.store import ledger


def overview(ws: Workspace) -> Group:
    """Return everything worth a glance."""
    endpoint = ws.project.serving.endpoint
    lines = [Text(f"{ws.project.name}: {_traffic(ws)}", style="bold"), _versions(ws)]
    rollout = rollouts.current(ws.db, endpoint)
    if rollout is not None:
        stage = ws.project.rollout.stages[rollout.stage].name
        lines.append(Text(f"rolling out version {rollout.candidate} at {stage} since {rollout.stage_since[:19]}"))
        lines.append(Text(f"  {rollout.reason}"))
    for episode in monitor.open_episodes(ws.db, endpoint):
        style = "red" if episode.severity == "CRITICAL" else "yellow"
        lines.append(Text(f"{episode.severity}: {episode.key}, open since {episode.opened_at[:19]}", style=style))
    audit = ledger.verify(ws.db)
    lines.append(Text(f"ledger: {audit.events:,} events, {'intact' if audit.intact else 'BROKEN'}"))
    return Group(*lines)


def _traffic(ws: Workspace) -> str:
    route = desired_route(ws)
    if not route.arms:
        return "nothing is deployed"
    return ", ".join(f"version {arm.version} answers {arm.weight / 100:g} %" for arm in route.arms)


def _versions(ws: Workspace) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("version", "alias", "run", "origin", "registered", "bundle"):
        table.add_column(name)
    known = aliases.all_current(ws.db, ws.model)
    for version in versions.all_versions(ws.db, ws.model):
        names = ", ".join(sorted(alias for alias, number in known.items() if number == version.number))
        table.add_row(
            str(version.number), names, version.run, version.origin, version.registered_at[:19], version.digest[:12]
        )
    return table
