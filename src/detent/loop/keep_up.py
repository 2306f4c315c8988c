"""Before serving: bring what was left behind by a crash, a move or a deployment without servers into order."""

from __future__ import annotations

from detent.errors import RefusedError
from detent.loop.audit import require_untouched
from detent.loop.judge import champion_version
from detent.loop.mirror import mend
from detent.loop.serve import NeighbourGateway
from detent.loop.traffic import apply_route, desired_route, index_versions
from detent.loop.workspace import Workspace


def keep_up(ws: Workspace) -> None:
    """Unpack what the route names, publish the route that follows from the registry, and mend MLflow's copy.

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
    index_versions(ws, desired_route(ws).loaded)
    apply_route(ws, NeighbourGateway(ws), reason="start")
    mend(ws)
