"""Who gets the requests: the route that follows from aliases and the running rollout, handed to serving processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from detent.bundle.codec import signature_from_json
from detent.bundle.publish import fetch
from detent.bundle.sign import sign, write_verdict
from detent.errors import RefusedError
from detent.gate import store as verdicts
from detent.loop import places
from detent.loop.champion import CHAMPION, bundle_folder
from detent.loop.hosts.publish import in_force, publish, refused_elsewhere
from detent.loop.releases.plan import plan_of
from detent.loop.workspace import Workspace
from detent.records.event import Fact
from detent.records.rollout import Rollout
from detent.records.route import Arm, Route
from detent.records.version import ModelVersion
from detent.registry import aliases, versions
from detent.rollout import store as rollouts
from detent.serving.hosts import OvertakenError
from detent.serving.models.locate import Located, read_index, write_index
from detent.serving.pages.routes import RoutePage
from detent.serving.places import route_page

ALL = 10_000
ROLLED_BACK = "rolled back: "  # how the reason of an alias change begins when it goes back
PREPARE_SECONDS = 60.0
_TRIES = 3


class Gateway(Protocol):
    """The serving processes, as the loop sees them."""

    def prepare(self, versions: Sequence[int], timeout: float = PREPARE_SECONDS) -> Mapping[int, str]:
        """Wait until every process holds the versions; return the reason for each one that was refused."""
        ...

    def settle(self) -> None:
        """Wait until shadows have answered what they were given."""
        ...


def desired_route(ws: Workspace) -> Route:
    """Return the route that aliases and the running rollout ask for; its number is that of the present page."""
    champion = aliases.current(ws.db, ws.model, CHAMPION)
    previous = previous_champion(ws)
    rollout = rollouts.current(ws.db, ws.project.serving.endpoint)
    arms: tuple[Arm, ...] = () if champion is None else (Arm(version=champion, weight=ALL),)
    shadows: tuple[int, ...] = ()
    fallback = previous
    if rollout is not None and champion is not None:
        arms, shadows, fallback = _split(ws, rollout, champion)
    candidates = () if rollout is None else (rollout.candidate, *(arm.version for arm in rollout.arms))
    return Route(
        endpoint=ws.project.serving.endpoint,
        model=ws.model,
        seq=RoutePage(route_page(ws.state)).seq(),
        arms=arms,
        shadows=shadows,
        fallback=fallback if ws.project.serving.fallback == "previous" else None,
        loaded=tuple(dict.fromkeys(number for number in (champion, *candidates, previous) if number is not None)),
        salt=rollout.id if rollout else ws.project.serving.endpoint,
    )


def _split(ws: Workspace, rollout: Rollout, champion: int) -> tuple[tuple[Arm, ...], tuple[int, ...], int]:
    if rollout.arms:
        return rollout.arms, (), champion
    weight = plan_of(ws, rollout).stages[rollout.stage].weight
    if weight == 0:
        return (Arm(version=champion, weight=ALL),), (rollout.candidate,), champion
    arms = (Arm(version=champion, weight=ALL - weight), Arm(version=rollout.candidate, weight=weight))
    return arms, (), champion


def previous_champion(ws: Workspace) -> int | None:
    """Return the champion before the present one: who answers when it fails, and where a rollback goes.

    A version that was rolled back is never returned to.
    """
    champions: list[int] = []
    for change in aliases.history(ws.db, ws.model):
        if change.alias != CHAMPION or change.number is None:
            continue
        if change.reason.startswith(ROLLED_BACK) and champions:
            champions = [number for number in champions if number != champions[-1]]
        champions.append(change.number)
    present = aliases.current(ws.db, ws.model, CHAMPION)
    return next((number for number in reversed(champions) if number != present), None)


def apply_route(ws: Workspace, gateway: Gateway, *, reason: str) -> Route:
    """Publish the desired route in two phases: processes first load what it names, then it takes effect at once.

    Raises:
        RefusedError: a process refused a version that would take traffic; the old route stays in force.
    """
    for _ in range(_TRIES):
        with suppress(OvertakenError):  # another host was faster: what is wanted now follows from what it did
            return _apply(ws, gateway, reason)
    return _apply(ws, gateway, reason)


def _apply(ws: Workspace, gateway: Gateway, reason: str) -> Route:
    wanted, before = desired_route(ws), in_force(ws)
    if before is not None and _same(before, wanted):
        return before
    index_versions(ws, wanted.loaded)
    if before is not None:
        refused: dict[int, str] = {}
        newcomers = _asked(wanted) - _asked(before)
        if not set(wanted.loaded) <= set(before.loaded):
            before = _write(ws, before, before, loaded=tuple(dict.fromkeys((*before.loaded, *wanted.loaded))))
        if ws.shared and newcomers:  # a rollback has none and waits for nobody
            refused |= refused_elsewhere(ws, tuple(newcomers), PREPARE_SECONDS)
        refused |= gateway.prepare(wanted.loaded)
        for number in (*(arm.version for arm in wanted.arms), *wanted.shadows):
            if number in refused:
                raise RefusedError(
                    what=f"version {number} was refused by the serving processes",
                    why=refused[number],
                    fix="ship a version whose bundle verifies and whose golden rows give the stored scores",
                )
    written = _write(ws, before, wanted, loaded=wanted.loaded, reason=reason)
    if before is None:
        gateway.prepare(wanted.loaded)
    return written


def request_fields(ws: Workspace) -> frozenset[str]:
    """Return the inputs of all versions that may answer a request now."""
    numbers = [arm.version for arm in desired_route(ws).arms]
    folders = [bundle_folder(ws, versions.get(ws.db, ws.model, number)) for number in numbers]
    signatures = [signature_from_json((folder / "signature.json").read_bytes()) for folder in folders]
    return frozenset(field.name for signature in signatures for field in signature.inputs)


def index_versions(ws: Workspace, numbers: Sequence[int]) -> None:
    """Unpack the versions' bundles, signed and with their verdicts, and tell serving processes where they lie."""
    index = dict(read_index(ws.state))
    for number in numbers:
        version = versions.get(ws.db, ws.model, number)
        index[str(version)] = Located(digest=version.digest, folder=str(unpack(ws, version)))
    write_index(ws.state, index)


def unpack(ws: Workspace, version: ModelVersion) -> Path:
    """Return the version's folder with signature and verdict.

    The signature is made here, by the holder of the key, and only over a bundle that fits the registered digest and the
    stored verdict; a row that was edited by hand gets no signature that fits.
    """
    verdict = verdicts.load(ws.db, version.verdict)
    folder = fetch(version.digest, ws.blobs, places.bundles(ws.state))
    if verdict.model_digest == version.digest:
        sign(folder, ws.key)
        write_verdict(folder, verdict)
    return folder


def _asked(route: Route) -> set[int]:
    """Return the versions that a route lets answer."""
    numbers = {*(arm.version for arm in route.arms), *route.shadows}
    return numbers if route.fallback is None else numbers | {route.fallback}


def _write(
    ws: Workspace, before: Route | None, route: Route, *, loaded: tuple[int, ...], reason: str | None = None
) -> Route:
    """Put a route in force. Where other hosts follow, the database comes first: what lies there is the truth."""
    page = RoutePage(route_page(ws.state))
    route = replace(route, loaded=loaded, seq=page.seq() + 1)
    fact = None if reason is None else _changed(ws, before, route, reason)
    if ws.shared:
        publish(ws, before, route, fact)
    page.write([route])
    if fact is not None and not ws.shared:
        ws.record(fact)
    return route


def _same(one: Route, other: Route) -> bool:
    return replace(one, seq=0) == replace(other, seq=0)


def _changed(ws: Workspace, before: Route | None, after: Route, reason: str) -> Fact:
    return Fact(
        kind="route.changed",
        subject=f"endpoint:{after.endpoint}",
        actor=ws.actor,
        payload={
            "before": _weights(before),
            "after": _weights(after),
            "shadows": list(after.shadows),
            "reason": reason,
        },
        observed={"seq": after.seq},
    )


def _weights(route: Route | None) -> dict[str, int]:
    return {} if route is None else {str(arm.version): arm.weight for arm in route.arms}
