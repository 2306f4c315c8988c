"""What is known of the windows whose labels still come in: one page in the database, read and written at each look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from detent.errors import DetentError
from detent.loop.watching.incomplete import newest
from detent.loop.workspace import Workspace
from detent.monitor.states import load_state, save_state
from detent.predictions.maturity import CLASSES, DelayCurve
from detent.store.clock import iso, parse
from detent.store.database import Transaction

NAME = "quality"
KEPT = 28  # windows that late labels and corrections may re-open, and that tell how long labels take


class OvertakenError(DetentError):
    """What was looked at has been looked at by somebody else."""

    code = "overtaken"


@dataclass(slots=True, kw_only=True)
class Page:
    """One window that was looked at."""

    start: datetime
    first: str = ""  # ids of its first and last prediction: they sort by time
    last: str = ""
    answers: int = 0
    labelled: int = 0
    looked_at: datetime  # labels that came later were not seen
    severity: str = ""  # the worst finding about its quality; "": it could not be judged yet
    followed: tuple[int, ...] = ()  # versions whose losses have been followed: each row once
    delays: DelayCurve = field(default_factory=DelayCurve)


@dataclass(slots=True, kw_only=True)
class Book:
    """All windows that count."""

    next: datetime  # start of the first window whose labels were not looked at
    unlabelled: datetime  # start of the first window that was not estimated
    seen: datetime  # the last time at which earlier windows were looked at again
    pages: dict[datetime, Page] = field(default_factory=dict)
    lacking: dict[datetime, tuple[str, ...]] = field(default_factory=dict)  # hosts whose answers a window lacked
    turn: int = 0  # times it was written: of two controllers that look at once, the slower one's look does not count

    def put(self, page: Page) -> None:
        """Keep a page; the oldest ones go."""
        self.pages[page.start] = page
        for start in sorted(self.pages)[:-KEPT]:
            del self.pages[start]

    @property
    def delays(self) -> DelayCurve:
        """How long labels take. Windows that got next to none tell of a broken feed, and nothing of delays."""
        told = [page for page in self.pages.values() if page.answers]
        usual = sorted(page.labelled / page.answers for page in told)
        least = usual[len(usual) // 2] / 2.0 if usual else 0.0
        curve = DelayCurve()
        for page in told:
            if page.labelled >= least * page.answers:
                curve += page.delays
        return curve

    @property
    def labels_per_window(self) -> float:
        """Mean number of labelled answers of a window, at least 1."""
        return max(1.0, sum(page.labelled for page in self.pages.values()) / max(1, len(self.pages)))


def load_book(ws: Workspace) -> Book | None:
    """Return the book; None before the first time."""
    state = load_state(ws.db, ws.project.serving.endpoint, NAME)
    if not state:
        return None
    pages = {page.start: page for page in map(_page, state["pages"])}
    return Book(
        next=parse(state["next"]),
        unlabelled=parse(state["unlabelled"]),
        seen=parse(state["seen"]),
        pages=pages,
        lacking={parse(start): tuple(hosts) for start, hosts in state.get("lacking", {}).items()},
        turn=state["turn"],
    )


def save_book(ws: Workspace, tx: Transaction, book: Book) -> None:
    """Write the book, in the transaction of what was found.

    Raises:
        OvertakenError: another controller wrote it meanwhile.
    """
    if load_state(tx, ws.project.serving.endpoint, NAME).get("turn", 0) != book.turn:
        raise OvertakenError(
            what="another controller looked at the same windows",
            why="the page of windows was written since it was read",
            fix="nothing: what it found is stored",
        )
    book.turn += 1
    pages = [_plain(book.pages[start]) for start in sorted(book.pages)]
    state = {"next": iso(book.next), "unlabelled": iso(book.unlabelled), "seen": iso(book.seen), "pages": pages,
             "lacking": {iso(start): list(hosts) for start, hosts in newest(book.lacking).items()},
             "turn": book.turn}  # fmt: skip
    save_state(tx, ws.project.serving.endpoint, NAME, state, until=book.next)


def whole_window(moment: datetime, window: timedelta) -> datetime:
    """Return when the first window that begins at or after a moment begins: whole ones since 1970 in UTC."""
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return epoch + -((epoch - moment) // window) * window


def _plain(page: Page) -> dict[str, Any]:
    return {
        "start": iso(page.start), "first": page.first, "last": page.last, "answers": page.answers,
        "labelled": page.labelled, "looked_at": iso(page.looked_at), "severity": page.severity,
        "followed": list(page.followed), "arrived": _sparse(page.delays.arrived),
        "waiting": _sparse(page.delays.waiting),
    }  # fmt: skip


def _page(state: Mapping[str, Any]) -> Page:
    delays = DelayCurve(arrived=_dense(state["arrived"]), waiting=_dense(state["waiting"]))
    named = {name: state[name] for name in ("first", "last", "answers", "labelled", "severity")}
    return Page(
        start=parse(state["start"]), looked_at=parse(state["looked_at"]), followed=tuple(state["followed"]),
        delays=delays, **named,
    )  # fmt: skip


def _sparse(counts: Iterable[int]) -> list[list[int]]:
    return [[place, count] for place, count in enumerate(counts) if count]


def _dense(pairs: Iterable[Iterable[int]]) -> tuple[int, ...]:
    counts = [0] * CLASSES
    for place, count in pairs:
        counts[place] = count
    return tuple(counts)
