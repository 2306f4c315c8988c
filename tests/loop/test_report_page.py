"""The page of a replay: on a desk and on a phone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from detent.loop.report.compare import ALWAYS, LIVE, NEVER, Comparison
from detent.loop.report.page import Page, write_page
from detent.loop.report.story import Line, Story
from detent.store.ledger import Audit
from phone import WIDTH, needs_chromium, widths

HOSTILE = "</style><script>alert(1)</script>"
LONG = "the_model_reads_a_column_with_a_very_long_name_" * 5


@pytest.fixture
def page(tmp_path: Path) -> str:
    values = {LIVE: 0.7259, NEVER: 0.7053, ALWAYS: 0.7241}
    months = pl.DataFrame([{"month": "2013-03", "rows": 2982, **values}])
    comparison = Comparison(
        metric="roc_auc", higher_is_better=True, months=months, overall=values, mean=values, extra={}, candidates=21
    )
    line = Line(
        seq=1, time=datetime(2013, 3, 1, tzinfo=UTC), kind="verdict.passed", subject=f"run:{LONG}", text=HOSTILE
    )
    story = Story(
        lines=(line,), counts=(("verdict.passed", 1),), windows=(), sabotage=(("leak", "refused by the gate", LONG),)
    )
    made = Page(
        title="shop: replayed",
        facts=(("predictions over HTTP", "28,688"), ("events", "865")),
        comparison=comparison,
        story=story,
        audit=Audit(events=1, head="", content="", faults=()),
        picture=b"\x89PNG",
    )
    write_page(tmp_path / "page.html", made)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_holds_all_it_needs_and_shows_text_as_text(page: str) -> None:
    assert ".stack" in page.partition("</style>")[0]
    assert HOSTILE not in page
    assert "<script" not in page
    assert "<link" not in page


@needs_chromium
def test_the_page_is_no_wider_than_a_phone(page: str, tmp_path: Path) -> None:
    assert widths([page], tmp_path)[0] <= WIDTH


def test_on_a_phone_each_event_says_which_column_is_which(page: str) -> None:
    for name in ("stopped", "why", "event", "about", "in words"):
        assert f'data-name="{name}"' in page
