"""Before serving: bring what was left behind by a crash, a move or a deployment without servers into order."""

from __future__ import annotations

from collections.abc import Callable

from detent.errors import RefusedError
from detent.loop.audit import require_untouched
from detent.loop.champion import champion_version
from detent.loop.releases.release import keep_route
from detent.loop.releases.traffic import Gateway, desired_route, index_versions
from detent.loop.runs.mirror import mend
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import Workspace


def keep_up(ws: Workspace, gateway: Gateway | None = None, *, mirror: Callable[[Workspace], object] = mend) -> None:
    """Unpack what the route names, publish the route that follows from the registry, and mend MLflow's copy.

    `gateway`: the serving processes; None: those that run beside us, if any.

    Raises:
        TamperedError: the ledger or the registry was edited; nothing was recorded or published.
        RefusedError: nothing was ever deployed.
    """
    require_untouched(ws)
    if champion_version(ws) is None:
        raise RefusedError(
            what="there is nothing to serve",
            why="no version of this project is champion",
            fix="detent run, then detent deploy",
        )
    keep_route(ws, gateway or NeighbourGateway(ws))
    index_versions(ws, desired_route(ws).loaded)
    mirror(ws)
