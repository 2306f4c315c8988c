"""The screen of `detent status`."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from detent.loop.audit import audit
from detent.loop.traffic import desired_route
from detent.loop.workspace import Workspace
from detent.monitor import store as monitor
from detent.predictions import parcels
from detent.records.finding import CRITICAL, Episode
from detent.registry import aliases, versions
from detent.rollout import store as rollouts
from detent.rollout.words import standing
from detent.serving import hosts
from detent.store.ledger import Audit

SHOWN, LATEST = 5, 10


def overview(ws: Workspace) -> Group:
    """Return everything worth a glance."""
    endpoint = ws.project.serving.endpoint
    lines = [Text(f"{ws.project.name}: {_traffic(ws)}", style="bold"), _versions(ws)]
    rollout = rollouts.current(ws.db, endpoint)
    if rollout is not None:
        where = standing(ws.project.rollout, rollout)
        lines.append(Text(f"{rollout.kind} {rollout.id}: {where} since {rollout.stage_since[:19]}. {rollout.reason}"))
    lines += [*_hosts(ws), *_episodes(ws)]
    lines.append(_ledger(audit(ws)))
    return Group(*lines)


def _ledger(found: Audit) -> Text:
    if found.intact:
        return Text(f"ledger: {found.events:,} events, intact")
    first, *rest = found.faults
    more = f" and {len(rest)} more; see detent verify" if rest else ""
    return Text(f"ledger: {found.events:,} events, BROKEN: {first}{more}", style="red")


def _episodes(ws: Workspace) -> list[Text]:
    """Return one line per kind and severity: a day of bad weather moves a dozen columns at once."""
    groups: dict[tuple[str, str], list[Episode]] = {}
    for episode in monitor.open_episodes(ws.db, ws.project.serving.endpoint):
        groups.setdefault((episode.severity, episode.key.partition(":")[0]), []).append(episode)
    lines = []
    for (severity, kind), group in sorted(groups.items()):
        names = ", ".join(episode.key.partition(":")[2] for episode in group[:SHOWN])
        more = f" and {len(group) - SHOWN} more" if len(group) > SHOWN else ""
        since = min(episode.opened_at for episode in group)[:10]
        style = "red" if severity == CRITICAL else "yellow"
        lines.append(Text(f"{severity} {kind}: {names}{more}; open since {since}", style=style))
    return lines


def _hosts(ws: Workspace) -> list[Text]:
    """Return one line per host that follows the shared database; none where there is only this one."""
    endpoint = ws.project.serving.endpoint
    published = hosts.published(ws.db, endpoint) if ws.shared else None
    if published is None:
        return []
    lines, answers = [], parcels.heard(ws.db, hosts.own_id(ws.state))
    for one in hosts.hosts(ws.db, endpoint):
        if one.state == hosts.GONE:
            continue
        behind = "" if one.seq == published.seq else f", follows route {one.seq} and not yet {published.seq}"
        refused = "".join(f"; refuses version {number}: {why}" for number, why in one.refused.items())
        fine = one.state == hosts.SERVING and not refused
        here = f"; its answers are here up to {answers[one.host][:19]}" if one.host in answers else ""
        text = f"host {one.number} ({one.name}): {one.state}{behind}{refused}; last seen {one.seen[:19]}{here}"
        lines.append(Text(text, style="" if fine else "yellow"))
    return lines


def _traffic(ws: Workspace) -> str:
    route = desired_route(ws)
    if not route.arms:
        return "nothing is deployed"
    return ", ".join(f"version {arm.version} answers {arm.weight / 100:g} %" for arm in route.arms)


def _versions(ws: Workspace) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("version", "alias", "run", "origin", "registered", "bundle"):
        table.add_column(name, no_wrap=True)
    known = aliases.all_current(ws.db, ws.model)
    every = versions.all_versions(ws.db, ws.model)
    if len(every) > LATEST:
        table.caption = f"the newest {LATEST} of {len(every)}"
        table.caption_justify = "left"
    for version in every[-LATEST:]:
        names = ", ".join(sorted(alias for alias, number in known.items() if number == version.number))
        table.add_row(
            str(version.number), names, version.run, version.origin, version.registered_at[:10], version.digest[:12]
        )
    return table
