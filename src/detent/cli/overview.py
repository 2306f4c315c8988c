"""The screen of `detent status`."""

from __future__ import annotations

from collections import Counter

from rich.console import Group
from rich.table import Table
from rich.text import Text

from detent.loop.audit import audit
from detent.loop.labelling.label_faults import unread
from detent.loop.releases.plan import plan_of, way_has_changed
from detent.loop.releases.traffic import desired_route
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import Workspace
from detent.monitor import store as monitor
from detent.predictions import parcels
from detent.predictions.parcels_aside import parcels_aside
from detent.records.finding import CRITICAL, Episode
from detent.registry import aliases, versions
from detent.rollout import store as rollouts
from detent.rollout.words import count, standing
from detent.serving import hosts
from detent.store.ledger import Audit

SHOWN, LATEST, RUN = 5, 10, 22
CHANGED = "detent.yaml has another kind or other stages by now: they count from the next rollout on"


def overview(ws: Workspace) -> Group:
    """Return everything worth a glance."""
    endpoint = ws.project.serving.endpoint
    lines = [Text(f"{ws.project.name}: {_traffic(ws)}", style="bold"), *_versions(ws)]
    rollout = rollouts.current(ws.db, endpoint)
    if rollout is not None:
        where = standing(plan_of(ws, rollout), rollout)
        lines.append(
            Text(f"{rollout.kind} {rollout.id}: {where} since {rollout.stage_since[:19]} UTC. {rollout.reason}")
        )
        if way_has_changed(ws, rollout):
            lines.append(Text(f"  {CHANGED}", style="yellow"))
    lines += [*_hosts(ws), *(Text(fault, style="yellow") for fault in unread(ws)), *_episodes(ws)]
    lines.append(_ledger(audit(ws)))
    return Group(*lines)


def _ledger(found: Audit) -> Text:
    if found.intact:
        return Text(f"ledger: {count(found.events, 'event')}, intact")
    first, *rest = found.faults
    more = f" and {len(rest)} more; see detent verify" if rest else ""
    return Text(f"ledger: {count(found.events, 'event')}, BROKEN: {first}{more}", style="red")


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
    own = hosts.own_id(ws.state)
    lines, answers, aside = [], parcels.heard(ws.db, own), Counter(one.name for one in parcels_aside(ws.db, own))
    for one in hosts.hosts(ws.db, endpoint):
        if one.state == hosts.GONE:
            continue
        behind = "" if one.seq == published.seq else f", follows route {one.seq} and not yet {published.seq}"
        refused = "".join(f"; refuses version {number}: {why}" for number, why in one.refused.items())
        fine = one.state == hosts.SERVING and not refused
        here = f"; its answers are here up to {answers[one.host][:19]}" if one.host in answers else ""
        text = f"host {one.number} ({one.name}): {one.state}{behind}{refused}; last seen {one.seen[:19]}{here}"
        lines.append(Text(text, style="" if fine else "yellow"))
    for name, many in sorted(aside.items()):
        what = count(many, "parcel")
        lines.append(Text(f"{name}: {what} of its answers set aside: detent hosts aside", style="yellow"))
    return lines


def _traffic(ws: Workspace) -> str:
    route = desired_route(ws)
    if not route.arms:
        return "nothing is deployed"
    said = ", ".join(f"version {arm.version} answers {arm.weight / 100:g} %" for arm in route.arms)
    return said if ws.shared or NeighbourGateway(ws).serves() else f"{said}; nobody serves now: detent up"


def _cut(run: str) -> str:
    """Return a run's name so short that a row fits into 80 columns."""
    return run if len(run) <= RUN else run[: RUN - 1] + "…"


def _versions(ws: Workspace) -> list[Table | Text]:
    """Return the newest versions; while there is none, how to get one."""
    every = versions.all_versions(ws.db, ws.model)
    if not every:
        return [Text("no version is registered yet: detent run")]
    table = Table(box=None, pad_edge=False)
    for name in ("version", "alias", "run", "origin", "registered", "bundle"):
        table.add_column(name, no_wrap=True)
    known = aliases.all_current(ws.db, ws.model)
    if len(every) > LATEST:
        table.caption = f"the newest {LATEST} of {len(every)}"
        table.caption_justify = "left"
    for version in every[-LATEST:]:
        names = ", ".join(sorted(alias for alias, number in known.items() if number == version.number))
        table.add_row(
            *(str(version.number), names, _cut(version.run), version.origin.partition(":")[0]),
            *(version.registered_at[:10], version.digest[:12]),
        )
    return [table]
