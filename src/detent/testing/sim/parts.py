"""What a simulated week is built of. A test hands in a part with a planted bug to see whether it is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detent.loop.train import Outcome
from detent.loop.workspace import Workspace
from detent.predictions import LabelCounts, record
from detent.records.prediction import Label
from detent.records.run import RunRequest
from detent.serving.models.admission import admit_version
from detent.serving.models.locate import locate_by_index
from detent.store.database import Database, Transaction, open_database
from detent.testing.sim.campaign import Campaign
from detent.testing.sim.pool import Made
from detent.testing.sim.serving import Admit, MakeLog, MortalLog
from detent.testing.sim.training import put_forward

PutForward = Callable[[Workspace, RunRequest, Made, Campaign, str], Outcome]


def admission(state: Path, public: bytes) -> Admit:
    """Return the real admission of a state's versions."""
    return partial(admit_version, locate=locate_by_index(state), public=public)


def _forward(ws: Workspace, request: RunRequest, made: Made, campaign: Campaign, run: str) -> Outcome:
    return put_forward(ws, request, made, campaign.datasets, run=run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The real ones, unless others are handed in."""

    database: Callable[[Path], Database] = open_database
    admission: Callable[[Path, bytes], Admit] = admission
    log: MakeLog = MortalLog
    record: Callable[[Transaction, Sequence[Label]], LabelCounts] = record
    put_forward: PutForward = _forward
