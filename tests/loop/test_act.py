from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from detent.loop.champion import champion_version
from detent.loop.releases.traffic import apply_route
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.train import submit
from detent.loop.triggers import act
from detent.loop.triggers.act import Hands, flying, turn
from detent.loop.triggers.burn import SloWatch, burning
from detent.loop.triggers.challenge import challenge
from detent.loop.triggers.same_rows import compared
from detent.loop.triggers.signals import gather
from detent.loop.workspace import Workspace
from detent.monitor import store as monitor
from detent.records.event import Fact
from detent.records.finding import Finding
from detent.records.project import Slo
from detent.store import ledger
from detent.store.clock import iso
from detent.trigger import calls, flight, store
from detent.trigger.rules import decide
from detent.trigger.signals import Burn

from .live_rows import first_scores, promote, rows, write

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Crew:
    """Hands that train nothing, and remember what they were asked to do."""

    gateway: NeighbourGateway
    trained: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def hands(self) -> Hands:
        def train(request, held: Callable[[], bool]) -> None:
            assert held()
            self.trained.append(request.reason)

        return Hands(gateway=self.gateway, train=train, tell=self.told.append)


@pytest.fixture
def ws(served: Workspace) -> Workspace:
    """Version 1 served, and version 2 is registered."""
    calm = {"cron": None, "new_rows": None, "cooldown": timedelta(0)}  # the first training was a moment ago
    trigger = replace(served.project.trigger, quality="critical", drift="warning", **calm)
    monitor_plan = replace(served.project.monitor, window=DAY)
    ws = replace(served, project=replace(served.project, trigger=trigger, monitor=monitor_plan))
    verdict, version = submit(ws, spoiled(ws, champion_version(ws), "raising"), ingest_all(ws, ws.now()))
    assert version is not None, verdict.reason
    return ws


@pytest.fixture
def crew(ws: Workspace) -> Crew:
    return Crew(NeighbourGateway(ws))


def finding(ws: Workspace, kind: str = "quality", severity: str = "CRITICAL", *, ago: timedelta = -HOUR, **more):
    """A finding about the window that ended `ago`."""
    end = ws.now() - ago
    values = {
        "kind": kind, "severity": severity, "column": None, "statistic": "roc_auc", "value": 0.5, "low": None,
        "high": None, "threshold": 0.6, "rows": 500, "window_start": iso(end - DAY), "window_end": iso(end),
        "message": f"{kind} is bad",
    }  # fmt: skip
    return Finding(**{**values, **more})


def served_badly(ws: Workspace, *, bad: bool = True, count: int = 400) -> None:
    """Version 2 takes over; its answers are the opposite of version 1's, and labels follow version 1."""
    promote(ws, 2)
    apply_route(ws, NeighbourGateway(ws), reason="test")
    frame = rows(count)
    truth = first_scores(ws, frame)
    labels = (np.random.default_rng(1).uniform(size=count) < truth).astype(float)
    write(ws, frame, 1 - truth if bad else truth, version=2, age=timedelta(0), labels=labels)


def kinds(ws: Workspace) -> list[str]:
    return [event.kind for event in ledger.read(ws.db)]


def test_a_version_of_ours_that_made_it_worse_is_rolled_back_on_the_proof_of_the_same_rows(ws, crew):
    served_badly(ws)
    decision = turn(ws, [finding(ws)], crew.hands())
    assert (decision.action, decision.rule) == ("roll_back", "2 own deploy")
    assert champion_version(ws).number == 1
    fell = next(ledger.read(ws.db, kind="version.fell_back")).payload
    assert (fell["from"], fell["to"]) == (2, 1)
    assert crew.trained == []
    assert not flight.taken(ws.db, ws.model, ws.now())


def test_a_decision_to_go_back_outlives_the_controller_that_took_it(ws, crew):
    served_badly(ws)
    passed = act.ask(ws, gather(ws, [finding(ws)]))  # and the controller is killed
    assert passed.decision.action == "roll_back"
    assert champion_version(ws).number == 2
    turn(ws, [], crew.hands())
    assert champion_version(ws).number == 1
    fell = next(ledger.read(ws.db, kind="version.fell_back")).payload
    assert (fell["from"], fell["to"], fell["decision"]) == (2, 1, passed.number)
    turn(ws, [], crew.hands())
    assert kinds(ws).count("version.fell_back") == 1


def test_nothing_goes_back_when_another_version_took_over_since_the_decision(ws, crew):
    served_badly(ws)
    act.ask(ws, gather(ws, [finding(ws)]))
    promote(ws, 1)
    turn(ws, [], crew.hands())
    assert champion_version(ws).number == 1
    assert any("version 2 does not answer any more" in line for line in crew.told)
    told = len(crew.told)
    turn(ws, [], crew.hands())
    assert len(crew.told) == told


def test_a_version_that_answers_like_the_one_before_stays_and_a_training_is_asked_for(ws, crew):
    served_badly(ws, bad=False)
    decision = turn(ws, [finding(ws)], crew.hands())
    assert (decision.action, decision.fall_back, crew.trained) == ("retrain", False, ["quality"])
    assert champion_version(ws).number == 2
    assert not flight.taken(ws.db, ws.model, ws.now())  # the right to train was given back


def test_too_few_rows_prove_nothing_against_a_version(ws, crew):
    served_badly(ws, count=80)
    assert turn(ws, [finding(ws)], crew.hands()).action == "retrain"
    assert champion_version(ws).number == 2


def test_a_deploy_long_before_is_no_suspect_but_a_critical_fall_still_falls_back_and_trains(ws, crew):
    served_badly(ws)
    late = finding(ws, ago=-3 * DAY, since=iso(ws.now() + 2 * DAY))  # fell two days after the deploy
    early = replace(late, window_start=iso(ws.now()), since=None)
    assert gather(ws, [late]).deploy is None
    decision = turn(ws, [replace(early, window_start=iso(ws.now() + 25 * HOUR))], crew.hands())
    assert (decision.rule, decision.fall_back) == ("3 quality fell", False)  # no rows in that span to compare
    with ws.db.transaction() as tx:
        store.training_judged(tx, ws.model, passed=True)
    signals = gather(ws, [finding(ws)])
    case = store.decisions(ws.db, ws.model)[-1].case
    again = decide(replace(case, signals=replace(signals, deploy=None)))
    assert (again.action, again.fall_back) == ("retrain", True)


def test_requests_that_began_to_fail_with_our_deploy_go_back_to_the_version_that_answers_them(ws, crew):
    promote(ws, 2)
    apply_route(ws, NeighbourGateway(ws), reason="test")
    write(ws, rows(300), np.full(300, np.nan), version=2, age=timedelta(seconds=-1))
    slo = Slo(errors=0.01)
    ws = replace(ws, project=replace(ws.project, trigger=replace(ws.project.trigger, slo=slo)))
    later = replace(ws, clock=_At(ws.now() + timedelta(minutes=1)))
    decision = turn(later, [], crew.hands(), slo=SloWatch())
    assert (decision.action, decision.cause) == ("roll_back", "slo")
    assert champion_version(ws).number == 1


class _At:
    """A clock that stands."""

    def __init__(self, now) -> None:
        self._now = now

    def now(self):
        return self._now


def test_the_slo_burns_only_when_the_long_and_the_short_span_agree(ws):
    now, slo = ws.now(), Slo(errors=0.01, burn=10.0)

    def log(old_failed, new_failed):
        statuses = ["error"] * old_failed + ["ok"] * (500 - old_failed) + ["error"] * new_failed
        statuses += ["ok"] * (100 - new_failed)
        times = [now - timedelta(minutes=30)] * 500 + [now - timedelta(minutes=1)] * 100
        return pl.DataFrame({"time": times, "status": statuses})

    assert burning(log(50, 20), slo, now).times == pytest.approx(70 / 600 / 0.01, rel=1e-3)
    assert burning(log(100, 0), slo, now) is None  # it is over
    assert burning(log(0, 20), slo, now) is None  # it has only begun
    assert burning(log(0, 20)[-40:], slo, now) is None  # too few requests to tell


def test_broken_data_are_quarantined_until_a_newer_window_with_traffic_is_whole(ws, crew):
    broken = finding(ws, "data", column="price", message="`price` is empty in all rows")
    assert turn(ws, [broken], crew.hands()).action == "quarantine"
    assert "data.quarantined" in kinds(ws)
    assert turn(ws, [finding(ws)], crew.hands()).action == "ignore"
    with ws.db.transaction() as tx:
        monitor.save_findings(tx, [broken], endpoint="shop", version=1, actor="test", now=ws.now())
    watched(ws, broken.window_end, rows=500)
    assert turn(ws, [finding(ws)], crew.hands()).action == "ignore"  # that is the broken window itself
    watched(ws, iso(ws.now() + 2 * DAY), rows=0)
    assert turn(ws, [finding(ws)], crew.hands()).action == "ignore"  # nobody asked anything: nothing is known
    watched(ws, iso(ws.now() + 3 * DAY), rows=500)
    assert turn(ws, [finding(ws)], crew.hands()).action == "retrain"
    assert "data.released" in kinds(ws)


def watched(ws: Workspace, end: str, *, rows: int) -> None:
    payload = {"what": "traffic", "start": end, "end": end, "rows": rows, "severity": "INFO"}
    ws.record(Fact(kind="window.watched", subject="traffic:shop", actor="test", payload=payload))


def test_drift_counts_windows_in_a_row_and_our_own_deploy_excuses_only_our_answers(ws):
    drift = [finding(ws, "drift", "WARNING", column="price", ago=number * DAY) for number in range(3)]
    with ws.db.transaction() as tx:
        monitor.save_findings(tx, drift[1:], endpoint="shop", version=1, actor="test", now=ws.now())
    assert gather(ws, [drift[0]]).heard[0].windows == 3
    other = finding(ws, "drift", "WARNING", column="items")
    assert gather(ws, [other]).heard[0].windows == 1
    promote(ws, 2)
    both = [finding(ws, "drift", "WARNING", column=name) for name in ("prediction", "price")]
    assert {heard.thing: heard.own_deploy for heard in gather(ws, both).heard} == {
        "drift:prediction": True, "drift:price": False,
    }  # fmt: skip


def test_only_the_newest_word_about_a_thing_is_heard(ws):
    old, new = finding(ws, ago=2 * DAY), finding(ws, severity="INFO")
    assert gather(ws, [old, new]).heard == ()
    assert [heard.severity for heard in gather(ws, [new, finding(ws), finding(ws, "drift", "WARNING")]).heard] == [
        "CRITICAL", "WARNING",
    ]  # fmt: skip


def drifted(ws: Workspace) -> list[Finding]:
    return [finding(ws, "drift", "WARNING", column="price", severe=True, message="`price` is far off")]


def test_a_challenger_that_is_better_on_newer_rows_leads_to_training(ws, crew):
    frame = rows(1200)
    labels = (frame["price"].to_numpy() > 100).astype(float)  # the world has changed
    write(ws, frame, first_scores(ws, frame), version=1, age=HOUR, labels=labels)
    found = challenge(ws)
    assert found.rows == 360
    assert found.low > 0
    assert found == challenge(ws)
    assert turn(ws, drifted(ws), crew.hands()).action == "retrain"
    assert crew.trained == ["drift"]
    assert [one.action for one in store.decisions(ws.db, ws.model)] == ["challenge", "retrain"]
    assert not flight.taken(ws.db, ws.model, ws.now())


def test_a_challenger_that_is_no_better_ends_it_and_gives_the_right_to_train_back(ws, crew):
    frame = rows(1200)
    truth = first_scores(ws, frame)
    labels = (np.random.default_rng(3).uniform(size=1200) < truth).astype(float)
    write(ws, frame, truth, version=1, age=HOUR, labels=labels)
    assert turn(ws, drifted(ws), crew.hands()).action == "ignore"
    assert crew.trained == []
    assert not flight.taken(ws.db, ws.model, ws.now())


@pytest.mark.parametrize("labels", [None, np.zeros(1200)])
def test_without_labels_or_with_one_class_nobody_can_tell_and_severe_drift_trains(ws, crew, labels):
    frame = rows(1200)
    write(ws, frame, first_scores(ws, frame), version=1, age=HOUR, labels=labels)
    assert challenge(ws).rows == 0
    assert turn(ws, drifted(ws), crew.hands()).action == "retrain"


def test_two_refused_candidates_make_the_channels_ask_a_human(ws, crew):
    ws = replace(ws, project=replace(ws.project, trigger=replace(ws.project.trigger, cooldown=timedelta(0))))
    with ws.db.transaction() as tx:
        monitor.save_findings(tx, [finding(ws)], endpoint="shop", version=1, actor="test", now=ws.now())
    for _ in range(2):
        assert turn(ws, [finding(ws)], crew.hands()).action == "retrain"
        with ws.db.transaction() as tx:
            store.training_judged(tx, ws.model, passed=False)
    assert turn(ws, [finding(ws)], crew.hands()).action == "ask"
    raised = [event.payload for event in ledger.read(ws.db, kind="alert.raised")]
    assert len(raised) == 1
    assert "detent trigger answer" in crew.told[-1]
    assert turn(ws, [finding(ws)], crew.hands()).action == "ignore"


def test_a_call_trains_once_and_is_then_settled(ws, crew):
    with ws.db.transaction() as tx:
        calls.declare(tx, ws.model, ["refresh"])
        calls.record_call(tx, calls.Asked(name="refresh", key="a", body="", caller="api:1", at=ws.now()))
    assert turn(ws, [], crew.hands()).request.reason == "webhook"
    assert turn(ws, [], crew.hands()).action == "ignore"
    assert crew.trained == ["webhook"]


def test_the_right_to_train_is_given_back_also_when_training_raises(ws):
    def broken(request, held):
        raise RuntimeError("no")

    hands = Hands(gateway=NeighbourGateway(ws), train=broken, tell=lambda _: None)
    with pytest.raises(RuntimeError):
        turn(ws, [finding(ws)], hands)
    assert not flight.taken(ws.db, ws.model, ws.now())


def test_who_lost_the_right_to_train_is_told_before_anything_is_shown_to_others(ws):
    with ws.db.transaction() as tx:
        mine = flight.take(tx, ws.model, holder="one", now=ws.now() - flight.LEASE)
    with flying(ws, mine) as held:
        with ws.db.transaction() as tx:
            other = flight.take(tx, ws.model, holder="two", now=ws.now())
        assert other.token == mine.token + 1
        assert not held()
        assert not held()
    assert flight.taken(ws.db, ws.model, ws.now())  # the other's right is untouched


def test_a_long_training_keeps_its_right(ws, monkeypatch):
    monkeypatch.setattr(act, "RENEWALS", 60_000)  # a look every 10 ms
    with ws.db.transaction() as tx:
        mine = flight.take(tx, ws.model, holder="one", now=ws.now() - 2 * flight.LEASE)
    assert not flight.taken(ws.db, ws.model, ws.now())
    with flying(ws, mine):
        for _ in range(10_000):
            if flight.taken(ws.db, ws.model, ws.now()):
                break
        assert flight.taken(ws.db, ws.model, ws.now())


def test_the_bound_of_a_comparison_counts_callers_not_rows():
    draw = np.random.default_rng(0)
    per_caller = np.repeat(draw.normal(0.05, 0.3, 40), 25)
    alone = compared(per_caller, np.zeros(1000), pl.Series(range(1000)), 1)
    together = compared(per_caller, np.zeros(1000), pl.Series(np.repeat(np.arange(40), 25)), 1)
    assert alone.gain == together.gain
    assert alone.low > 0 > together.low  # 25 equal rows of one caller are one word, not 25


def test_the_bound_covers_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(5)
    above = 0
    for _ in range(2000):
        callers = np.repeat(draw.normal(0.0, 1.0, 60), 5) + draw.normal(0, 0.5, 300)
        found = compared(callers, np.zeros(300), pl.Series(np.repeat(np.arange(60), 5)), 1)
        above += found.low > 0
    assert above / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert above / 2000 >= 0.03


def test_a_burn_without_versions_to_compare_asks_for_training(ws, crew, monkeypatch):
    burn = Burn(share=0.2, rows=500, times=20.0, message="20 % failed")
    monkeypatch.setattr(SloWatch, "look", lambda self, ws: burn)
    assert turn(ws, [], crew.hands(), slo=SloWatch()).request.reason == "slo"
