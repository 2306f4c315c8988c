"""Somebody who gets at a model behind the gate's back, as `detent sabotage` does, and deploys it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from detent.errors import DetentError
from detent.loop import places
from detent.loop.champion import champion_version
from detent.loop.judging.judge import is_pass, judge_candidate
from detent.loop.sabotage.tampering import KINDS
from detent.loop.train import candidate_fact
from detent.rollout import store as rollouts
from detent.testing.sim.faults import Fault
from detent.testing.sim.lives import ControllerLife
from detent.testing.sim.training import candidate_for
from detent.testing.sim.week import Week

TRIES = ("forged_verdict", "replayed_verdict", "swapped_bundle", "tampered_artifact")


def intrude(week: Week, follow: Callable[[Sequence[int]], Mapping[int, str]], fault: Fault) -> None:
    """Try one kind of tampering; nothing happens while a rollout runs, as for anybody else."""
    kind = TRIES[int(fault.amount)]
    life = ControllerLife(week, week.process("intruder"), follow)
    ws = life.ws
    try:
        if rollouts.current(ws.db, ws.project.serving.endpoint) is not None:
            return
        week.trouble(f"somebody tries `{kind}`")
        honest = KINDS[kind].spoil is None
        made = week.campaign.reserved[not honest]
        candidate = candidate_for(ws, made, f"intruder-{week.step}")
        ws.record(candidate_fact(ws, candidate, {"kind": made.kind}))
        verdict = judge_candidate(ws, candidate, week.campaign.datasets)
        if honest and not is_pass(verdict):
            return
        version = KINDS[kind].act(ws, candidate, verdict)
        week.tampered.add(version.number)
        life.controller.roll_out(version.number, reason=f"sabotage {kind}")
    except DetentError as error:
        week.say(f"`{kind}` is refused: {error.what}")
    finally:
        life.db.close()


def alter(week: Week) -> None:
    """Change a file of the champion's bundle where serving processes find it."""
    champion = champion_version(week.watching())
    if champion is not None:
        path = places.bundles(week.state) / champion.digest / "card.md"
        week.altered = (path, path.read_bytes())
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b" ")
        week.trouble(f"somebody changes a file of version {champion.number}")


def put_back(week: Week) -> None:
    """Undo that, as somebody does who was told."""
    if week.altered is not None:
        path, before = week.altered
        path.write_bytes(before)
        week.altered = None
        week.trouble("the file is put back")
