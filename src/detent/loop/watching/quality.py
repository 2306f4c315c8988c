"""Look at how good answers were: at once by what scores promise, then by labels, and again when labels come late.

Every version is judged by its own answers, whoever is champion by then. A window is looked at once its labels should
be in, again while they are not, and once per batch of labels or corrections that come after it was judged. Each answer
is followed once only, in the first look at which its window can be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from detent.loop.alerts.notify import notify
from detent.loop.champion import bundle_folder
from detent.loop.classes import classes_in, logged_scores, logged_truth
from detent.loop.hosts.heard import Heard
from detent.loop.watching.granules import first_traffic
from detent.loop.watching.incomplete import came_in, without
from detent.loop.watching.promises import promised, promised_again, worst
from detent.loop.watching.quality_book import Book, OvertakenError, Page, load_book, save_book, whole_window
from detent.loop.watching.quality_rows import Known, answers_of, budget_of, by_version, known_of, standard_of
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.concept.protocol import Concept, Terms
from detent.monitor.measured import MIN_ROWS, LabelledWindow, judge_quality, worse_for_good
from detent.monitor.states import load_state, save_state
from detent.plugins import load
from detent.predictions import arrivals, join, labels_of
from detent.predictions.labels import Arrivals
from detent.predictions.maturity import DelayCurve, Maturity, mature
from detent.records.event import Fact
from detent.records.finding import INFO, SEVERITIES, Finding
from detent.statistics.metrics_classes import distance
from detent.store import ledger
from detent.store.clock import iso, parse
from detent.store.database import Transaction

QUALITY = "quality"
# Of the budget for quality: to following losses one by one, to the intervals of windows; the rest: see `promises`.
FOLLOWING, WINDOWS = 0.5, 0.35
_NOTHING = Arrivals(labels=0, corrections=0)
MUCH = 0.05  # more labels, as a share of a window's answers, for which it is judged again; any correction is enough


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look at one window."""

    page: Page
    answers: pl.DataFrame  # id, time, by, answer, label (null: not known)
    findings: tuple[Finding, ...]
    states: tuple[tuple[int, dict[str, object]], ...] = ()  # (version, what its follower remembers now)


def judge_due(ws: Workspace, heard: Heard | None = None) -> list[Finding]:
    """Look at every window that is due; findings, episodes and what is remembered are stored together, per window.

    Cheap when nothing is due. Called after `collect`, so that labels from files are in. `heard`: how far the answers of
    other hosts are here.
    """
    book = load_book(ws) or _begin(ws)
    if book is None:
        return []
    heard = heard or Heard(until=ws.now())
    plan, found, now = ws.project.monitor, [], heard.until
    with suppress(OvertakenError):  # another controller did it, and tells what it found
        _skip_idle(ws, book, heard.whole(book.unlabelled))
        while book.unlabelled + plan.window <= now:
            _note_lacking(book, heard, book.unlabelled, plan.window)
            found += promised(ws, book)
        while book.next + plan.window + plan.labels_within <= now:
            _note_lacking(book, heard, book.next, plan.window)
            found += _first_look(ws, book)
        found += _with_late_answers(ws, book, heard)
        if book.seen + plan.window <= ws.now():
            found += _look_again(ws, book)
    return found


def _note_lacking(book: Book, heard: Heard, start: datetime, window: timedelta) -> None:
    hosts = heard.lacking(start + window, start)
    if hosts:
        book.lacking[start] = hosts
    else:
        book.lacking.pop(start, None)


def _with_late_answers(ws: Workspace, book: Book, heard: Heard) -> list[Finding]:
    """Look once more at windows that were looked at without all answers of hosts, as these come in."""
    found, came = list[Finding](), came_in(book.lacking, heard, ws.project.monitor.window)
    for start, hosts in came.items():
        book.lacking = without(book.lacking, start, hosts)
        if start in book.pages:
            found += _judge_again(ws, book, book.pages[start], hosts=hosts)
        elif start >= book.next:
            found += promised_again(ws, book, start)
    if came:
        with ws.db.transaction() as tx:
            save_book(ws, tx, book)
    return found


def _begin(ws: Workspace) -> Book | None:
    """Return the first book: from the first whole window after the first promotion, or where the ledger says."""
    subject = f"{QUALITY}:{ws.project.serving.endpoint}"
    last = ledger.last(ws.db, "window.watched", subject)
    first = next(iter(ledger.read(ws.db, kind="rollout.promoted")), None)
    if last is None and first is None:
        return None
    moment = parse(last.payload["end"]) if last is not None else parse(first.time) if first is not None else ws.now()
    start = whole_window(moment, ws.project.monitor.window)
    return Book(next=start, unlabelled=start, seen=ws.now())


def _skip_idle(ws: Workspace, book: Book, now: datetime) -> None:
    """Move on to the first window with traffic when nothing was served for a while."""
    window = ws.project.monitor.window
    if book.unlabelled + 2 * window > now:
        return
    idle = max(0, (min(now, first_traffic(ws, book.unlabelled)) - book.unlabelled) // window)
    if idle and book.next == book.unlabelled:
        book.next += idle * window
    book.unlabelled += idle * window


def _first_look(ws: Workspace, book: Book) -> list[Finding]:
    start = book.next
    look = _look(ws, book, Page(start=start, looked_at=ws.now()))
    book.put(look.page)
    book.next = start + ws.project.monitor.window
    with ws.db.transaction() as tx:
        _store(ws, tx, book, look)
        ledger.append(tx, _watched(ws, look), ws.now())
        notify(ws, tx, look.findings, kinds=("quality", "labels") if look.answers.height else ())
    return list(look.findings)


def _look_again(ws: Workspace, book: Book) -> list[Finding]:
    """Look at earlier windows again where labels came since: at most once per window that passes."""
    found: list[Finding] = []
    for start in sorted(book.pages):
        page = book.pages[start]
        if page.looked_at >= ws.now() or not page.answers:
            continue
        came = arrivals(ws.db, page.first, page.last, since=page.looked_at, until=ws.now())
        if not came.labels:
            page.delays = page.delays.aged(ws.now() - start - ws.project.monitor.window)
            continue
        if page.severity and not came.corrections and came.labels < MUCH * page.answers:
            continue
        found += _judge_again(ws, book, page, came)
    book.seen = ws.now()
    with ws.db.transaction() as tx:
        save_book(ws, tx, book)
    return found


def _judge_again(
    ws: Workspace, book: Book, page: Page, came: Arrivals = _NOTHING, hosts: Sequence[str] = ()
) -> list[Finding]:
    """Judge a window once more, because labels of it came or answers of some hosts."""
    look = _look(ws, book, page)
    book.put(look.page)
    if look.answers.is_empty():  # they were too old to be kept
        return []
    before, after = page.severity, look.page.severity
    # Old news is no news: a window that was judged is told again only if it came out worse.
    news = before == "" or (after != "" and SEVERITIES.index(after) > SEVERITIES.index(before))
    end = page.start + ws.project.monitor.window
    payload = {"start": iso(page.start), "end": iso(end), "labels": came.labels, "corrections": came.corrections,
               "before": before or None, "severity": after or None}  # fmt: skip
    if hosts:
        payload["came"] = list(hosts)
    with ws.db.transaction() as tx:
        _store(ws, tx, book, look)
        subject = f"{QUALITY}:{ws.project.serving.endpoint}"
        ledger.append(tx, Fact(kind="window.rejudged", subject=subject, actor=ws.actor, payload=payload), ws.now())
        if news:
            notify(ws, tx, look.findings, kinds=("quality", "labels"))
    return list(look.findings) if news else []


def _store(ws: Workspace, tx: Transaction, book: Book, look: _Look) -> None:
    endpoint = ws.project.serving.endpoint
    store.save_findings(tx, look.findings, endpoint=endpoint, version=None, actor=ws.actor, now=ws.now())
    for version, state in look.states:
        until = look.page.start + ws.project.monitor.window
        save_state(tx, endpoint, f"concept:{ws.project.monitor.concept}", state, until=until, version=version)
    save_book(ws, tx, book)


def _look(ws: Workspace, book: Book, page: Page) -> _Look:
    """Judge a window by the labels that are known now."""
    window = ws.project.monitor.window
    answers = answers_of(ws, page.start, page.start + window)
    if answers.is_empty():
        severity = page.severity or INFO
        return _Look(page=replace(page, looked_at=ws.now(), severity=severity), answers=answers, findings=())
    labelled = join(answers, labels_of(ws.db, answers["id"]), now=ws.now())
    page = replace(
        page, looked_at=ws.now(), answers=labelled.height, labelled=labelled["label"].count(),
        first=str(labelled["id"].min()), last=str(labelled["id"].max()),
        delays=DelayCurve.learn(labelled["time"], labelled["label_first"], ws.now()),
    )  # fmt: skip
    book.put(page)
    return _judged(ws, book, page, labelled)


def _judged(ws: Workspace, book: Book, page: Page, labelled: pl.DataFrame) -> _Look:
    findings: list[Finding] = []
    states: list[tuple[int, dict[str, object]]] = []
    followed, ready = set(page.followed), False
    for place, (version, rows) in enumerate(by_version(labelled)):
        ripe = _maturity(ws, book, rows)
        seen = _window_of(ws, page, version, rows, ripe)
        known = known_of(ws, version)
        enough = ripe.mature and int(seen.known.sum()) >= MIN_ROWS
        if known is None or not (enough or place == 0):  # a version with a few answers says nothing of the window
            continue
        parts = labelled["by"].n_unique()
        standard = standard_of(ws, known, WINDOWS * budget_of(ws).quality / parts)
        findings += judge_quality(seen, standard).findings
        ready |= ripe.mature
        if ripe.mature and version not in followed and known.reference.loss is not None:
            state, alarm = _follow(ws, book, known, seen)
            states.append((version, state))
            findings += alarm
            followed.add(version)
    severity = max((f.severity for f in findings if f.kind == QUALITY), key=SEVERITIES.index, default=INFO)
    page = replace(page, severity=severity if ready else "", followed=tuple(sorted(followed)))
    return _Look(page=page, answers=labelled, findings=tuple(findings), states=tuple(states))


def _follow(ws: Workspace, book: Book, known: Known, window: LabelledWindow) -> tuple[dict[str, object], list[Finding]]:
    """Let the project's follower take the losses of a window's labelled answers, in order of time."""
    plan, loss = ws.project.monitor, known.reference.loss
    assert loss is not None
    follower: Concept = load("concept", plan.concept)()
    name, endpoint = f"concept:{plan.concept}", ws.project.serving.endpoint
    before = load_state(ws.db, endpoint, name, version=window.version)
    apart = book.labels_per_window / (FOLLOWING * budget_of(ws).quality)
    terms = Terms(p0=min(1.0, loss.upper * (1.0 + plan.tolerance)), apart=apart)
    label, score = window.label[window.known], window.score[window.known]
    if window.classes is not None:
        label, score = np.zeros(len(label)), distance(label, window.classes[window.known])
    losses = loss.of(label, score)
    state, alarm = follower.update(before, losses.tolist(), terms)
    found = [] if alarm is None else [worse_for_good(window, alarm, terms, at_gate=loss.mean)]
    return dict(state), found


def _maturity(ws: Workspace, book: Book, rows: pl.DataFrame) -> Maturity:
    plan = ws.project.monitor
    share = rows["label"].count() / rows.height
    ages = pl.Series([ws.now()], dtype=rows["time"].dtype) - rows["time"]
    return mature(coverage=share, ages=ages, curve=book.delays, labels_within=plan.labels_within)


def _window_of(ws: Workspace, page: Page, version: int, rows: pl.DataFrame, ripe: Maturity) -> LabelledWindow:
    label, classes = rows["label"].fill_null(np.nan).to_numpy(), None
    declared, known = ws.project.target.classes, known_of(ws, version)
    if declared and known is not None:
        classes = logged_scores(rows["scores"], classes_in(bundle_folder(ws, known.version)), declared)
        label = np.where(np.isfinite(classes).all(axis=1), logged_truth(rows["label"], declared), np.nan)
    return LabelledWindow(
        version=version, start=iso(page.start), end=iso(page.start + ws.project.monitor.window),
        score=rows["answer"].to_numpy(), label=label, mature=ripe.mature, due=ripe.due, classes=classes,
    )  # fmt: skip


def _watched(ws: Workspace, look: _Look) -> Fact:
    end = look.page.start + ws.project.monitor.window
    payload = {"what": QUALITY, "start": iso(look.page.start), "end": iso(end), "rows": look.page.answers,
               "severity": worst(look.findings), "drift": 0.0, "drift_severity": INFO}  # fmt: skip
    subject = f"{QUALITY}:{ws.project.serving.endpoint}"
    return Fact(kind="window.watched", subject=subject, actor=ws.actor, payload=payload)
