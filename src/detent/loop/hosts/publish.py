"""The route that all hosts follow, when several share a database: written here, copied to its page by each host.

A change has two phases. First the route in force is published with more versions in `loaded`; every host that serves
loads and checks them and says so. Then the weights change. A host that has said nothing for `AWAY_SECONDS` while it is
waited for is taken for away and is waited for no more: it goes on with the route that it has, and follows the newest
one before it counts again. A host that lives and refuses a version, or is not ready in time, stops the change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from detent.bundle.files import SIGNATURE_NAME
from detent.loop import places
from detent.loop.workspace import Workspace
from detent.records.event import Fact
from detent.records.route import Route
from detent.registry import versions
from detent.serving import hosts
from detent.serving.hosts import Host
from detent.serving.pages.routes import RoutePage
from detent.serving.places import route_page
from detent.store import ledger

LOOK_SECONDS = 0.02
AWAY_SECONDS = 5.0  # a host says something every second


def in_force(ws: Workspace) -> Route | None:
    """Return the route that requests follow now; None before the first deployment."""
    endpoint = ws.project.serving.endpoint
    if ws.shared:
        found = hosts.published(ws.db, endpoint)
        if found is not None:
            return found.route
    return RoutePage(route_page(ws.state)).read()[1].get(endpoint)


def publish(ws: Workspace, before: Route | None, route: Route, fact: Fact | None = None) -> None:
    """Have all hosts follow a route, and write the event of the change, in one transaction.

    Raises:
        OvertakenError: another process has changed the route since `before` was read.
    """
    with ws.db.transaction() as tx:
        known = hosts.published(tx, route.endpoint)
        after = 0 if known is None else known.seq
        if known is not None and (before is None or _weights(known.route) != _weights(before)):
            after = -1  # what was decided about another route is not to be done
        signatures = {**(known.signatures if known else {}), **_signatures(ws, route.loaded)}
        kept = {number: signatures[number] for number in route.loaded if number in signatures}
        hosts.publish(tx, route, after=after, signatures=kept, ids=hosts.digest_of_ids(ws.state))
        if fact is not None:
            ledger.append(tx, fact, ws.now())


def refused_elsewhere(ws: Workspace, wanted: Sequence[int], timeout: float) -> Mapping[int, str]:
    """Wait until every other host has tried to load the versions, and return those that one refuses, with the reason.

    `timeout`: seconds for hosts that live.
    """
    endpoint = ws.project.serving.endpoint
    known = hosts.published(ws.db, endpoint)
    if known is None:
        return {}
    own, beats = hosts.own_id(ws.state), dict[str, tuple[int, float]]()
    deadline = time.monotonic() + timeout
    while True:
        others = [one for one in hosts.hosts(ws.db, endpoint) if one.state == hosts.SERVING and one.host != own]
        waiting = [one for one in others if one.seq < known.seq and not _is_away(ws, one, beats)]
        if not waiting:
            return _refusals(others, wanted)
        if time.monotonic() > deadline:
            why = f"host {waiting[0].name} did not load it within {timeout:g} seconds"
            return dict.fromkeys(wanted, why)
        time.sleep(LOOK_SECONDS)


def _is_away(ws: Workspace, host: Host, beats: dict[str, tuple[int, float]]) -> bool:
    """Take a host for away that has said nothing for a while of our own time: no two clocks are compared."""
    beat, since = beats.setdefault(host.host, (host.beat, time.monotonic()))
    if beat != host.beat:
        beats[host.host] = (host.beat, time.monotonic())
        return False
    if time.monotonic() - since < AWAY_SECONDS:
        return False
    with ws.db.transaction() as tx:
        if not hosts.mark_away(tx, host):
            return False
        fact = Fact(
            kind="host.away",
            subject=f"endpoint:{ws.project.serving.endpoint}",
            actor=ws.actor,
            payload={"host": host.name, "number": host.number, "last": host.seen},
        )
        ledger.append(tx, fact, ws.now())
    return True


def _refusals(others: Sequence[Host], wanted: Sequence[int]) -> dict[int, str]:
    return {
        number: f"host {one.name}: {one.refused[str(number)]}"
        for one in others
        for number in wanted
        if str(number) in one.refused
    }


def _signatures(ws: Workspace, numbers: Sequence[int]) -> dict[int, str]:
    """Return the signatures of the bundles that lie on this host."""
    found = {}
    for number in numbers:
        folder: Path = places.bundles(ws.state) / versions.get(ws.db, ws.model, number).digest
        if (folder / SIGNATURE_NAME).is_file():
            found[number] = (folder / SIGNATURE_NAME).read_text()
    return found


def _weights(route: Route) -> Route:
    """Return what a route does with requests, whatever it loads besides."""
    return replace(route, seq=0, loaded=())
