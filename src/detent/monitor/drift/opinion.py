"""What rows say besides counts: evidence beside a finding, and changes that no single column shows. Pure.

Never more than INFO: these tests don't share the budget of false alarms, and take rows for independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import polars as pl

from detent.monitor.drift.findings import About
from detent.monitor.drift.kept import APART, Exact, embedding, exact, together
from detent.records.finding import INFO, Finding
from detent.store.clock import iso

TOGETHER, MMD = "together", "mmd"
LEAST = 200  # rows of either side below which nothing is asked
CLASSIFIED, CLOUD = 700, 500  # rows of either side that are looked at, by the classifier and by MMD


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of rows."""

    names: tuple[str, ...]  # inputs that may be compared
    moved: frozenset[str]  # of these, those of which counts told already
    embeddings: tuple[str, ...]  # beginnings of names: inputs that are one vector
    level: float  # chance of a false "it changed" for all embeddings of a look
    scale: int  # windows that the rows are of
    seed: int


def confirmed(findings: Sequence[Finding], kept: pl.DataFrame, rows: pl.DataFrame) -> list[Finding]:
    """Return the findings; those that warn of an input in this window alone say what exact tests of rows find.

    Args:
        findings: of one look.
        kept: training rows.
        rows: of the window.
    """
    warned = [one.column for one in findings if _testable(one)]
    usable = [name for name in dict.fromkeys(warned) if name in kept.columns and name in rows.columns]
    found = {one.column: one for one in exact(kept.select(usable), rows.select(usable))} if usable else {}
    return [
        replace(one, message=f"{one.message} {_said(found[one.column], kept.height, rows.height)}")
        if _testable(one) and one.column in found
        else one
        for one in findings
    ]


def unseen(kept: pl.DataFrame, rows: pl.DataFrame, asked: Asked, about: About) -> list[Finding]:
    """Return INFO findings about what columns taken one by one don't show; [] for fewer than 200 rows.

    That the columns which have not moved go together in another way, and that an embedding as a whole has changed.
    """
    names = [name for name in asked.names if name in kept.columns and name in rows.columns]
    if min(kept.height, rows.height) < LEAST:
        return []
    kept, rows = (_some(frame.select(names), asked.seed) for frame in (kept, rows))
    found = [_embedded(kept, rows, prefix, asked, about) for prefix in asked.embeddings]
    still = [name for name in names if name not in asked.moved]
    if len(still) > 1:
        found.append(_jointly(kept.select(still), rows.select(still), asked, about))
    return [one for one in found if one is not None]


def _testable(finding: Finding) -> bool:
    whole = finding.slice is None and finding.scale == 1 and finding.column is not None
    return finding.kind == "drift" and finding.severity != INFO and whole


def _said(one: Exact, kept: int, rows: int) -> str:
    name = {"ks": "Kolmogorov-Smirnov", "chi2": "chi-square"}[one.test]
    which = "energy" if one.test == "ks" else "jensen_shannon"
    distance = f"{which.replace('_', '-')} {dict(one.distances)[which]:.3g}"
    return f"{kept:,} rows of training against {rows:,}: {name} {one.statistic:.3g} ({_p(one.p_value)}), {distance}."


def _jointly(kept: pl.DataFrame, rows: pl.DataFrame, asked: Asked, about: About) -> Finding | None:
    found = together(kept[:CLASSIFIED], rows[:CLASSIFIED], seed=asked.seed)
    if found is None or not found.apart:
        return None
    text = (
        f"Columns go together in another way than in training: a model tells the rows apart with ROC AUC "
        f"{found.auc.value:.2f} (at least {found.auc.low:.2f}) by {kept.width} inputs, none of which has moved."
    )
    made = _finding(about, asked.scale, TOGETHER, found.auc.value, 0.5 + APART, min(rows.height, CLASSIFIED), text)
    return replace(made, low=found.auc.low, high=found.auc.high)


def _embedded(kept: pl.DataFrame, rows: pl.DataFrame, prefix: str, asked: Asked, about: About) -> Finding | None:
    names = [name for name, kind in kept.schema.items() if name.startswith(prefix) and kind.is_numeric()]
    if not names:
        return None
    level = asked.level / len(asked.embeddings)
    # As many permutations as a p-value at the level takes, so that a change can be told at all.
    found = embedding(kept[:CLOUD], rows[:CLOUD], names, seed=asked.seed, permutations=ceil(4 / level))
    if found.p_value > level:
        return None
    text = (
        f"`{prefix}*`, {len(names)} inputs taken as one vector, does not look as in training any more "
        f"(MMD {found.statistic:.3g}, {_p(found.p_value)})."
    )
    made = _finding(about, asked.scale, MMD, found.statistic, None, min(rows.height, CLOUD), text)
    return replace(made, column=f"{prefix}*", p_value=found.p_value)


def _finding(
    about: About, scale: int, statistic: str, value: float, threshold: float | None, rows: int, text: str
) -> Finding:
    return Finding(
        kind="drift", severity=INFO, column=None, statistic=statistic, value=value, low=None, high=None,
        threshold=threshold, rows=rows, window_start=iso(about.start), window_end=iso(about.end),
        message=text + about.note, version=about.version, scale=scale,
    )  # fmt: skip


def _some(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    return rows.sample(min(rows.height, CLASSIFIED), seed=seed, shuffle=True)


def _p(p_value: float) -> str:
    return "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"
