"""What answers promise of their quality before any label is in: said of each window when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from detent.loop.alerts.notify import notify
from detent.loop.watching.quality_book import Book, save_book
from detent.loop.watching.quality_rows import (
    added_up,
    answers_of,
    budget_of,
    by_version,
    counted,
    known_of,
    standard_of,
)
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.estimate import Unlabelled, judge_promise, promised_by
from detent.records.finding import INFO, SEVERITIES, Finding
from detent.store.clock import iso, parse
from detent.store.database import Transaction

PROMISES = 0.15  # of the budget for quality


def promised(ws: Workspace, book: Book) -> list[Finding]:
    """Say of the window that just ended what its answers promise, before any label is in."""
    start = book.unlabelled
    found, answered = _estimates(ws, book, start)
    book.unlabelled = start + ws.project.monitor.window
    with ws.db.transaction() as tx:
        _save_estimates(ws, tx, found)
        save_book(ws, tx, book)
        notify(ws, tx, found, kinds=("estimate",) if answered else ())
    return found


def promised_again(ws: Workspace, book: Book, start: datetime) -> list[Finding]:
    """Say it once more of a window whose answers have come late; it is news only where it came out worse."""
    end = start + ws.project.monitor.window
    stored = store.findings(ws.db, ws.project.serving.endpoint, kind="estimate", since=start)
    before = worst([one for one in stored if one.window_end == iso(end)])
    found, _ = _estimates(ws, book, start)
    news = SEVERITIES.index(worst(found)) > SEVERITIES.index(before)
    with ws.db.transaction() as tx:
        _save_estimates(ws, tx, found)
        save_book(ws, tx, book)
        if news:
            notify(ws, tx, found, kinds=())
    return found if news else []


def _save_estimates(ws: Workspace, tx: Transaction, found: Sequence[Finding]) -> None:
    store.save_findings(tx, found, endpoint=ws.project.serving.endpoint, version=None, actor=ws.actor, now=ws.now())


def _estimates(ws: Workspace, book: Book, start: datetime) -> tuple[list[Finding], int]:
    """Return what the answers of a window promise, and how many there are."""
    plan = ws.project.monitor
    end = start + plan.window
    answers = answers_of(ws, start, end)
    found: list[Finding] = []
    parts = max(1, answers["by"].n_unique())
    for version, rows in by_version(answers):
        known = known_of(ws, version)
        if known is None or not promised_by(known.reference, plan.quality):
            continue
        layout, counts = counted(ws, known, rows)
        made = parse(known.version.registered_at)
        checked = [page.start + plan.window for page in book.pages.values() if page.severity and page.labelled]
        window = Unlabelled(
            version=version, start=iso(start), end=iso(end), layout=layout, counts=counts,
            calibrated_days=(ws.now() - made) / timedelta(days=1),
            checked_days=(ws.now() - max(checked)) / timedelta(days=1) if checked else None,
            classes=added_up(ws, known, rows),
        )  # fmt: skip
        standard = standard_of(ws, known, PROMISES * budget_of(ws).quality / parts)
        found += judge_promise(window, known.reference, standard).findings
    return found, answers.height


def worst(findings: Sequence[Finding]) -> str:
    """Return the highest severity; INFO when there is nothing."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default=INFO)
