"""Windows that were judged before the answers of another host were here are judged once more when these come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from detent.loop.hosts.heard import Gap, Heard
from detent.loop.report.monitor import collect
from detent.loop.report.monitor_page import monitor_html
from detent.loop.report.monitor_text import monitor_text
from detent.loop.watching.quality import judge_due
from detent.loop.watching.quality_book import load_book
from detent.loop.watching.watch import Window, due_windows, watch, watch_again, windows_in_turn
from detent.loop.workspace import Workspace
from detent.records.event import Event
from detent.records.finding import CRITICAL, INFO, WARNING
from detent.store import ledger

from .live_rows import rows
from .test_quality import World, answers, of
from .test_watch import DAY, Life

OTHER = "host 2 (b)"


def heard(now: datetime, until: datetime) -> Heard:
    """The answers of the other host are here up to a moment; it is waited for no more."""
    return Heard(until=now, hosts=((OTHER, until),))


def rejudged(ws: Workspace, what: str) -> list[Event]:
    subject = f"{what}:{ws.project.serving.endpoint}"
    return list(ledger.read(ws.db, kind="window.rejudged", subject=subject))


def raised(ws: Workspace) -> int:
    """How often people were told of failures."""
    return sum(event.payload["key"].startswith("errors:") for event in ledger.read(ws.db, kind="alert.raised"))


@pytest.fixture
def life(served: Workspace) -> Life:
    return Life(served)


@pytest.fixture
def world(served: Workspace) -> World:
    return World(served)


def lacking(life: Life) -> Window:
    """Judge the first day without the other host, and return it."""
    window = Window(start=life.first, end=life.first + DAY)
    watch(life.ws, window, lacking=heard(life.ws.now(), life.first).lacking(window.end, window.start))
    return window


def test_requests_that_failed_on_a_host_that_was_cut_off_are_told_when_its_answers_come(life: Life) -> None:
    life.serve(0, rows(300))
    window = lacking(life)
    watch_again(life.ws, heard(life.ws.now(), life.first))
    assert rejudged(life.ws, "traffic") == []
    life.serve(0, rows(200), failing=True)
    for _ in range(2):
        watch_again(life.ws, heard(life.ws.now(), window.end))
    (event,) = rejudged(life.ws, "traffic")
    told = {key: event.payload[key] for key in ("rows", "before", "severity", "came")}
    assert told == {"rows": 500, "before": WARNING, "severity": CRITICAL, "came": [OTHER]}
    assert "lacking" not in event.payload
    assert "errors:failed_share" in life.episodes
    assert raised(life.ws) == 1
    (row,) = collect(life.ws).windows
    assert (row.rows, row.lacking, row.came) == (500, (), (OTHER,))
    again = f"was judged again with late answers of {OTHER}"
    assert again in "\n".join(monitor_text(collect(life.ws)))
    assert again in monitor_html(collect(life.ws))


def test_what_was_known_of_a_window_is_not_told_again(life: Life) -> None:
    life.serve(0, rows(200), failing=True)
    window, told = lacking(life), raised(life.ws)
    life.serve(0, rows(300))
    watch_again(life.ws, heard(life.ws.now(), window.end))
    assert len(rejudged(life.ws, "traffic")) == 1
    assert (told, raised(life.ws)) == (1, 1)


def test_looking_at_traffic_goes_on_after_the_newest_window_and_not_after_the_one_judged_again(life: Life) -> None:
    life.serve(0, rows(300))
    life.serve(1, rows(300))
    window = lacking(life)
    second = Window(start=window.end, end=window.end + DAY)
    watch(life.ws, second)
    watch_again(life.ws, heard(life.ws.now(), window.end))
    assert due_windows(life.ws)[0].start == second.end


def test_windows_are_not_passed_over_as_empty_while_answers_of_a_host_are_missing(life: Life) -> None:
    some = heard(life.ws.now(), life.first + 3 * DAY)
    starts = []
    for window in windows_in_turn(life.ws, some):
        watch(life.ws, window, lacking=some.lacking(window.end, window.start))
        starts.append(window.start)
    ended = (life.ws.now() - life.first) // DAY
    assert starts == [life.first + day * DAY for day in range(3, ended)]


def test_a_gap_is_missing_in_the_windows_that_it_touches_only(life: Life) -> None:
    gap = Gap(host=OTHER, since=life.first + DAY / 2, until=life.first + DAY * 0.75)
    here = replace(heard(life.ws.now(), life.ws.now()), gaps=(gap,))
    days = [here.lacking(life.first + (day + 1) * DAY, life.first + day * DAY) for day in range(3)]
    assert days == [(OTHER,), (), ()]
    assert here.whole(life.first) == gap.since
    assert here.whole(life.first + DAY) == life.ws.now()


def test_quality_is_judged_again_with_late_answers_whose_labels_were_there_before(world: World) -> None:
    score, y = answers(1, 600)
    world.tell(world.serve(0, score), y, day=1.1)
    now = world.start + 2 * DAY
    assert of(look(world, 2.0, until=world.start), "quality", "brier")[0].severity == INFO
    score, y = answers(2, 600)
    late = world.serve(0, score)
    world.tell(late, 1 - y, day=1.2)
    with world.ws.db.transaction() as tx:  # they came in before the window was looked at
        tx.execute("UPDATE labels SET arrived_at = at, first_arrived_at = at")
    assert look(world, 2.1, until=world.start) == []
    again = look(world, 2.2, until=now)
    assert of(again, "quality", "brier")[0].severity == CRITICAL
    assert of(again, "quality", "brier")[0].rows == 1200
    (event,) = rejudged(world.ws, "quality")
    assert (event.payload["came"], event.payload["before"], event.payload["severity"]) == ([OTHER], INFO, CRITICAL)
    assert look(world, 2.3, until=now) == []  # told and acted on once
    assert len(rejudged(world.ws, "quality")) == 1
    book = load_book(world.ws)
    assert book is not None
    assert (book.lacking, book.pages[world.start].answers) == ({}, 1200)


def look(world: World, day: float, *, until: datetime):
    world._clock.set(world.start + day * DAY)
    return judge_due(world.ws, heard(world.ws.now(), until))
