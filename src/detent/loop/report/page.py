"""The report as one self-contained HTML file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from detent.loop.report.compare import ALWAYS, LIVE, NEVER, Comparison
from detent.loop.report.story import Story
from detent.store.ledger import Audit

NAMES = {LIVE: "live (gated)", NEVER: "never retrained", ALWAYS: "always promoted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What goes on the page."""

    title: str
    facts: tuple[tuple[str, str], ...]  # name, value
    comparison: Comparison
    story: Story
    audit: Audit
    picture: bytes  # PNG


def write_page(path: Path, page: Page) -> None:
    """Write the page; every text in it is escaped."""
    folder = resources.files("detent.loop.report")
    source = folder.joinpath("page.html.j2").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    text = template.render(
        style=Markup(folder.joinpath("page.css").read_text(encoding="utf-8")),  # noqa: S704  (our own file)
        title=page.title,
        verdict=standing(page.comparison),
        facts=page.facts,
        picture=base64.b64encode(page.picture).decode(),
        policies=NAMES,
        months=[_row(month, page.comparison) for month in page.comparison.months.iter_rows(named=True)],
        totals=_totals(page.comparison),
        sabotage=page.story.sabotage,
        lines=page.story.lines,
        counts=page.story.counts,
        events=page.audit.events,
        intact=page.audit.intact,
    )
    path.write_text(text, encoding="utf-8")


def standing(comparison: Comparison) -> str:
    """Say honestly how the live model stands against both baselines."""
    mean, sign = comparison.mean, 1 if comparison.higher_is_better else -1
    parts = []
    for policy in (NEVER, ALWAYS):
        gain = sign * (mean[LIVE] - mean[policy])
        word = "beats" if gain > 0 else "equals" if gain == 0 else "loses to"
        parts.append(f"{word} “{NAMES[policy]}” by {abs(gain):.4f}")
    return f"The live model ({comparison.metric} {mean[LIVE]:.4f}, mean of the months) {parts[0]} and {parts[1]}."


def _row(month: dict[str, Any], comparison: Comparison) -> dict[str, Any]:
    return {**month, "best": _best([month[policy] for policy in NAMES], comparison.higher_is_better)}


def _totals(comparison: Comparison) -> list[tuple[str, dict[str, float | None]]]:
    lines = [
        (f"{comparison.metric}, mean of months", comparison.mean, comparison.higher_is_better),
        (f"{comparison.metric}, all rows", comparison.overall, comparison.higher_is_better),
        *((f"{name}, all rows", values, False) for name, values in comparison.extra.items()),
    ]
    return [(name, {**values, "best": _best(list(values.values()), up)}) for name, values, up in lines]


def _best(values: list[float | None], higher: bool) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return max(known) if higher else min(known)
