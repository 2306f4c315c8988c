"""Plans, states and signals that tests change in one place each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from detent.records.project import TriggerPlan
from detent.records.run import TriggerDecision
from detent.trigger.rules import Case, decide
from detent.trigger.signals import Burn, Call, Compared, Deploy, Heard, Signals
from detent.trigger.state import TriggerState

MONDAY = datetime(2013, 3, 4, 3, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAN = TriggerPlan(
    cron="0 3 * * 1", drift="warning", quality="warning", new_rows=50_000, cooldown=6 * HOUR, budget=4,
    budget_period=30 * DAY,
)  # fmt: skip
SILENT = replace(PLAN, cron=None, drift=None, quality=None, new_rows=None)
QUIET = TriggerState(
    last_training_at=MONDAY - 10 * DAY, last_cron_check=MONDAY, trainings=(), labelled_rows_since_training=10,
    running=False, refused_in_a_row=0, rollout_running=False,
)  # fmt: skip
DRIFT = Heard(kind="drift", severity="WARNING", thing="drift:temp", message="`temp` drifted.", windows=3)
FAR = replace(DRIFT, severe=True, windows=1, message="Much has moved.")
ESTIMATE = Heard(kind="estimate", severity="WARNING", thing="estimate:roc_auc", message="It may be worse.", windows=3)
FELL = Heard(kind="quality", severity="WARNING", thing="quality:roc_auc", message="roc_auc has fallen.")
FLOOR = replace(FELL, severity="CRITICAL", message="roc_auc is below its floor.")
DEPLOY = Deploy(version=3, at="2013-03-03T20:00:00.000000+00:00")
BETTER = Compared(version=2, rows=900, gain=0.02, low=0.01)
WORSE = Compared(version=2, rows=900, gain=0.004, low=-0.01)
HELPS = Compared(version=None, rows=900, gain=0.02, low=0.01)
HELPS_NOT = Compared(version=None, rows=900, gain=0.001, low=-0.01)
BURN = Burn(share=0.2, rows=500, times=20.0, message="20 % of 500 requests failed.")
CALL = Call(id="refresh-1", name="refresh", at="2013-03-04T03:30:00.000000+00:00", caller="api:1")


def ask(*heard: Heard, plan: TriggerPlan = PLAN, state: TriggerState = QUIET, now=MONDAY + HOUR, **signals):
    """Decide on what is heard."""
    return decide(Case(plan=plan, state=state, signals=Signals(heard=heard, **signals), now=now, actor="controller"))


def said(decision: TriggerDecision) -> tuple[str, str]:
    """Return what is done, and by which rule."""
    return decision.action, decision.rule[:1]
