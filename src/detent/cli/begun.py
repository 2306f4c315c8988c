"""What `detent deploy` and `detent rollout start` say of the rollout that they began."""

from __future__ import annotations

from collections.abc import Iterator

from detent.loop.releases.plan import plan_of
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import Workspace
from detent.records.rollout import ROLLED_BACK, RUNNING, Rollout
from detent.rollout.words import candidates, standing


def begun_lines(ws: Workspace, rollout: Rollout, gateway: NeighbourGateway) -> Iterator[str]:
    """Yield the lines: what stands where, why, and who takes it on."""
    where = f", {standing(plan_of(ws, rollout), rollout)}" if rollout.state == RUNNING else ""
    yield f"{rollout.id} ({rollout.kind} of {candidates(rollout)}): {rollout.state}{where}"
    yield f"  {rollout.reason}"
    if rollout.state == RUNNING:
        serves = ws.shared or gateway.serves()
        yield f"  It goes on while `detent up` runs{'' if serves else ', and nobody serves now'}: detent status"


def status_of(rollout: Rollout) -> int:
    """Return the exit status: 1 when a serving process refused the version."""
    return 1 if rollout.state == ROLLED_BACK else 0
