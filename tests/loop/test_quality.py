"""Labels that come late, twice, corrected and only for some answers, and what the loop concludes from them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from detent.loop.champion import bundle_folder, champion_version
from detent.loop.runs.reference import write_reference
from detent.loop.watching.quality import judge_due
from detent.loop.watching.quality_book import Book, load_book, whole_window
from detent.loop.workspace import Workspace, virtual_clock
from detent.monitor import findings
from detent.predictions import places, record
from detent.records.finding import CRITICAL, INFO, WARNING, Finding
from detent.records.prediction import Label, Prediction
from detent.statistics.calibrator import isotonic
from detent.statistics.granules import count, empty
from detent.statistics.layout import OUTPUT, layout_of
from detent.statistics.reference import Loss, Quality, Reference
from detent.store import ledger
from detent.store.clock import iso
from detent.store.segments import SegmentWriter

DAY = timedelta(days=1)
LOSS = 0.16  # mean of score (1 - score) of the scores below


def answers(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a calibrated model, and the truth."""
    generator = np.random.default_rng(seed)
    score = generator.beta(1.0, 2.0, rows)
    return score, (generator.random(rows) < score).astype(float)


class World:
    """A project whose clock, callers and label feed are ours."""

    def __init__(self, ws: Workspace) -> None:
        monitor = replace(ws.project.monitor, quality="brier", floor=0.2, window=DAY, labels_within=DAY)
        self.start = whole_window(ws.now(), DAY)
        clock = virtual_clock(ws.state, ws.now())
        self.ws = replace(ws, project=replace(ws.project, monitor=monitor), clock=clock)
        self._clock, self._writer, self._made = clock, SegmentWriter(places.segments(ws.state), "w0"), 0
        self._refer()

    def _refer(self) -> None:
        score, y = answers(99, 4_000)
        calibrator = isotonic(score, y)
        layout = layout_of({OUTPUT: score.tolist()}, [], breakpoints=calibrator.x)
        mean = float(np.mean((score - y) ** 2))
        reference = Reference(
            layout=layout, inputs=empty(layout), scores=count(layout, {}, score.tolist()), calibrator=calibrator,
            loss=Loss(mean=mean, upper=mean * 1.03, bound=1.0),
            quality=(Quality(metric="brier", value=mean, low=mean - 0.01, high=mean + 0.01),),
        )  # fmt: skip
        champion = champion_version(self.ws)
        assert champion is not None
        write_reference(bundle_folder(self.ws, champion), reference)

    def forget(self) -> None:
        """Remove every logged answer, as `detent expire` does when they are too old."""
        for path in places.segments(self.ws.state).iterdir():
            path.unlink()

    def register_again(self) -> None:
        """Make the champion's bundle version 2 as well."""
        champion = champion_version(self.ws)
        assert champion is not None
        folder = bundle_folder(self.ws, champion)
        shutil.copytree(folder, folder.with_name("f" * 64))
        with self.ws.db.transaction() as tx:
            tx.execute(
                "INSERT INTO versions SELECT model, 2, :digest, verdict, run, origin, registered_at FROM versions",
                digest="f" * 64,
            )

    def serve(self, day: int, score: Sequence[float] | np.ndarray, *, version: int = 1) -> list[str]:
        """Log answers over a day and return their ids."""
        ids, rows = [], []
        for number, value in enumerate(score):
            at = self.start + day * DAY + number * (DAY / len(score))
            self._made += 1
            ids.append(f"{int(at.timestamp() * 1000):012x}{self._made:028x}")
            rows.append(
                Prediction(
                    id=ids[-1], time=iso(at), endpoint=self.ws.project.serving.endpoint, route_seq=1, version=version,
                    served_by=version, arm="live", propensity=1.0, entity=f"e{number}", inputs={}, score=float(value),
                    status="ok", error="", service_seconds=0.001,
                )
            )  # fmt: skip
        self._writer.append([msgspec.json.encode(row) for row in rows])
        return ids

    def tell(self, ids: Sequence[str], values: Sequence[float] | np.ndarray, *, day: float) -> None:
        """Record labels that come on a day."""
        at = iso(self.start + day * DAY)
        with self.ws.db.transaction() as tx:
            record(tx, [Label(prediction_id=i, value=float(v), at=at) for i, v in zip(ids, values, strict=True)])

    def look(self, day: float) -> list[Finding]:
        self._clock.set(self.start + day * DAY)
        return judge_due(self.ws)

    def day(self, day: int, *, seed: int, rows: int = 600, turned: bool = False) -> tuple[list[str], np.ndarray]:
        """Serve a day whose labels come half a day after it; `turned`: the truth is the opposite of before."""
        score, y = answers(seed, rows)
        truth = 1 - y if turned else y
        ids = self.serve(day, score)
        self.tell(ids, truth, day=day + 1.5)
        return ids, truth


def of(found: Sequence[Finding], kind: str, statistic: str | None = None) -> list[Finding]:
    return [one for one in found if one.kind == kind and statistic in (None, one.statistic)]


@pytest.fixture
def world(served: Workspace) -> World:
    return World(served)


def test_healthy_days_have_their_value_in_the_ledger_and_raise_nothing(world: World) -> None:
    found = []
    for day in range(6):
        world.day(day, seed=day)
        found += world.look(day + 1)
    found += world.look(7)
    measured = of(found, "quality", "brier")
    assert len(measured) == 6
    assert {finding.severity for finding in found} == {INFO}
    assert all(finding.version == 1 and finding.low < finding.value < finding.high for finding in measured)  # type: ignore[operator]
    watched = [e.payload for e in ledger.read(world.ws.db, kind="window.watched") if e.payload["what"] == "quality"]
    assert [payload["rows"] for payload in watched] == [600] * 6
    assert [payload["start"] for payload in watched] == [iso(world.start + day * DAY) for day in range(6)]


def test_a_world_that_turned_is_critical_by_labels_and_invisible_without_them(world: World) -> None:
    world.day(0, seed=0)
    world.look(1)
    world.day(1, seed=1, turned=True)
    promised = world.look(2)
    assert of(promised, "estimate") == []  # brier is not promised by scores
    found = world.look(3)
    assert of(found, "quality", "brier")[-1].severity == CRITICAL
    (alarm,) = of(found, "quality", "loss")
    assert alarm.severity == CRITICAL
    assert "version 1" in alarm.message


def test_the_promise_of_scores_does_not_see_that_the_world_turned_and_says_so(world: World) -> None:
    monitor = replace(world.ws.project.monitor, quality="accuracy", floor=None)
    world.ws = replace(world.ws, project=replace(world.ws.project, monitor=monitor))
    world.day(0, seed=1, turned=True)
    (estimate,) = of(world.look(1), "estimate")
    assert estimate.severity == INFO
    assert "can't be seen" in estimate.message
    assert "No label has confirmed it" in estimate.message
    world.look(3)
    world.day(3, seed=2)
    (later,) = of(world.look(4), "estimate")
    assert "Labels were looked at 3 days ago" in later.message


def test_scores_that_promise_less_are_a_warning_at_once(world: World) -> None:
    monitor = replace(world.ws.project.monitor, quality="accuracy", floor=None)
    world.ws = replace(world.ws, project=replace(world.ws.project, monitor=monitor))
    world.serve(0, np.random.default_rng(1).uniform(0.4, 0.6, 600))
    (estimate,) = of(world.look(1), "estimate")
    assert estimate.severity == WARNING
    assert estimate.value < 0.62


def test_a_label_that_comes_after_a_promotion_accuses_the_version_that_answered(world: World) -> None:
    world.register_again()
    score, y = answers(3, 1_000)
    bad, good = world.serve(0, score[:600]), world.serve(0, score[600:], version=2)
    world.tell([*bad, *good], [*(1 - y[:600]), *y[600:]], day=1.2)
    found = of(world.look(2), "quality", "brier")
    assert {finding.version: finding.severity for finding in found} == {1: CRITICAL, 2: INFO}


def test_answers_of_a_version_that_nobody_knows_are_left_alone(world: World) -> None:
    score, y = answers(3, 300)
    world.tell(world.serve(0, score, version=7), y, day=1.2)
    assert world.look(2) == []


def test_a_window_waits_for_its_labels_and_is_judged_when_they_come(world: World) -> None:
    score, y = answers(4, 500)
    ids = world.serve(0, score)
    world.tell(ids[:200], y[:200], day=1.1)
    early = world.look(2)
    assert of(early, "quality", "maturity")
    assert {finding.severity for finding in of(early, "quality")} == {INFO}
    assert of(early, "labels", "coverage")[0].severity == WARNING
    assert world.look(2.2) == []
    world.tell(ids[200:], 1 - y[200:], day=2.5)
    late = world.look(3.1)
    assert of(late, "quality", "brier")[0].severity == CRITICAL
    (event,) = ledger.read(world.ws.db, kind="window.rejudged")
    assert event.payload["labels"] == 300
    assert event.payload["severity"] == CRITICAL


def test_corrections_judge_a_window_anew_once_per_batch_and_are_news_only_when_worse(world: World) -> None:
    ids, truth = world.day(0, seed=5)
    world.look(2.1)
    world.tell(ids[:2], 1 - truth[:2], day=2.3)
    assert world.look(3.2) == []  # judged anew, and no worse
    world.tell(ids, 1 - truth, day=3.3)
    (worse,) = of(world.look(4.3), "quality", "brier")
    assert worse.severity == CRITICAL
    assert world.look(5.4) == []
    events = list(ledger.read(world.ws.db, kind="window.rejudged"))
    assert [event.payload["corrections"] for event in events] == [2, 598]
    followed = [one for one in findings(world.ws.db, world.ws.project.serving.endpoint) if one.statistic == "loss"]
    assert followed == []  # each answer is followed once, by its first label


def test_nothing_is_done_twice_and_a_second_look_costs_nothing(world: World) -> None:
    world.day(0, seed=6)
    world.look(2)
    before = len(list(ledger.read(world.ws.db)))
    assert world.look(2.01) == []
    assert len(list(ledger.read(world.ws.db))) == before


def test_days_without_answers_are_skipped_and_years_in_one_step(world: World) -> None:
    assert world.look(4_000) == []
    watched = [e for e in ledger.read(world.ws.db, kind="window.watched") if e.payload["what"] == "quality"]
    assert len(watched) <= 3


def test_labels_that_no_answer_ever_gets_are_waited_for_and_then_given_up(world: World) -> None:
    """Of every ten answers three are ever told about, by chance: after some days that is known."""
    found = []
    for day in range(9):
        score, y = answers(20 + day, 800)
        ids = world.serve(day, score)
        known = np.random.default_rng(day).random(800) < 0.3
        world.tell([i for i, k in zip(ids, known, strict=True) if k], y[known], day=day + 1.4)
        found.append(world.look(day + 1))
    first, last = found[2], found[-1]
    assert of(first, "labels", "coverage")[0].severity == WARNING
    assert of(last, "labels", "coverage")[0].severity == INFO
    assert not of(last, "quality", "maturity")
    assert of(last, "quality", "brier")[0].rows > 200
    (powered,) = of(last, "estimate", "brier")
    measured = of(last, "quality", "brier")[0]
    assert powered.low is not None
    assert powered.high is not None
    assert measured.low is not None
    assert measured.high is not None
    assert powered.high - powered.low < measured.high - measured.low
    book = load_book(world.ws)
    assert book is not None
    assert 0.25 < book.delays.ever < 0.35


def test_positives_that_are_told_first_are_noticed_and_never_critical(world: World) -> None:
    found: list[Finding] = []
    for day in range(8):
        score, y = answers(40 + day, 800)
        ids = world.serve(day, score)
        known = (y == 1) & (np.random.default_rng(day).random(800) < 0.8)
        world.tell([i for i, k in zip(ids, known, strict=True) if k], y[known], day=day + 1.4)
        found = world.look(day + 1)
    assert of(found, "labels", "selection")
    assert "weights can mend" in of(found, "labels", "selection")[0].message
    assert of(found, "quality", "brier")[0].severity != CRITICAL


def test_whole_windows_begin_at_midnight() -> None:
    noon = datetime(2026, 3, 29, 12, 30, tzinfo=UTC)
    assert whole_window(noon, DAY) == datetime(2026, 3, 30, tzinfo=UTC)
    assert whole_window(noon, timedelta(hours=1)) == datetime(2026, 3, 29, 13, tzinfo=UTC)
    assert whole_window(datetime(2026, 3, 30, tzinfo=UTC), DAY) == datetime(2026, 3, 30, tzinfo=UTC)


def test_a_crash_between_two_looks_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.day(0, seed=7)
    world.look(1)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("detent.loop.watching.quality.notify", crash)
        with pytest.raises(KeyboardInterrupt):
            world.look(2.1)
    assert of(findings(world.ws.db, world.ws.project.serving.endpoint), "quality") == []
    assert len(of(world.look(2.2), "quality", "brier")) == 1


def test_of_two_controllers_that_look_at_once_one_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.day(0, seed=8)
    world.look(1)
    looked = []

    def late(ws: Workspace, book: Book, now: datetime) -> None:
        if not looked:
            looked.append(True)
            judge_due(ws)  # the other one is faster

    monkeypatch.setattr("detent.loop.watching.quality._skip_idle", late)
    assert world.look(2.1) == []
    assert len(of(findings(world.ws.db, world.ws.project.serving.endpoint), "quality", "brier")) == 1


def test_labels_of_answers_that_are_not_kept_any_more_change_nothing(world: World) -> None:
    ids, truth = world.day(0, seed=9)
    world.look(2.1)
    world.forget()
    world.tell(ids, 1 - truth, day=2.5)
    assert world.look(3.3) == []
    assert list(ledger.read(world.ws.db, kind="window.rejudged")) == []
