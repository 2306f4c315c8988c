"""The end of a replay: compare, check what must have happened, and write the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from detent import plugins
from detent.loop import places
from detent.loop.audit import audit
from detent.loop.report.compare import LIVE, Comparison, baseline_scores, compare, honest_candidates
from detent.loop.report.page import Page, standing, write_page
from detent.loop.report.story import NOT_STOPPED, Story, tell
from detent.loop.simulated.simulate import Replayed
from detent.loop.workspace import Workspace
from detent.predictions import read
from detent.registry import versions
from detent.store import ledger
from detent.store.ledger import Audit

SABOTAGE = "run:sabotage-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a replay showed."""

    comparison: Comparison
    story: Story
    audit: Audit
    complaints: tuple[str, ...]  # what should have happened and did not; () is success
    standing: str  # the live model against both baselines, in a sentence
    predictions: int
    failed: int  # callers that got no answer
    page: Path
    picture: Path


def conclude(ws: Workspace, replayed: Replayed) -> Conclusion:
    """Measure, check and write `report/simulation.png` and `report/simulation.html`.

    Raises:
        MissingExtraError: the picture needs the extra `report`.
    """
    comparison = _compare(ws, replayed)
    found = audit(ws)
    story = tell(ledger.read(ws.db), [stage.name for stage in ws.project.rollout.stages])
    folder = places.report(ws.folder)
    folder.mkdir(exist_ok=True)
    title = f"{ws.project.name}: {replayed.start:%d %b %Y} to {replayed.until:%d %b %Y}, replayed"
    picture = folder / "simulation.png"
    _draw(ws, replayed, picture, comparison, story)
    facts = (
        ("predictions over HTTP", f"{replayed.rows.height:,}"),
        ("callers without an answer", f"{replayed.failed:,}"),
        ("honest candidates", f"{comparison.candidates:,}"),
        ("promotions", f"{dict(story.counts).get('rollout.promoted', 0):,}"),
        ("events", f"{found.events:,}"),
    )
    page = folder / "simulation.html"
    write_page(
        page,
        Page(title=title, facts=facts, comparison=comparison, story=story, audit=found, picture=picture.read_bytes()),
    )
    return Conclusion(
        comparison=comparison,
        story=story,
        audit=found,
        complaints=tuple(_complaints(ws, story, found, replayed)),
        standing=standing(comparison),
        predictions=replayed.rows.height,
        failed=replayed.failed,
        page=page,
        picture=picture,
    )


def _compare(ws: Workspace, replayed: Replayed) -> Comparison:
    time = str(ws.project.source(ws.project.features.rows).time)
    answered = replayed.rows.filter(pl.col("score").is_not_null() & pl.col("label").is_not_null())
    scored = baseline_scores(ws, answered.rename({"score": LIVE}), time)
    extra = ("log_loss", "brier") if ws.project.target.task == "binary" else ("mae",)
    return compare(
        scored, metric=ws.project.monitor.quality, time=time, extra=extra, candidates=len(honest_candidates(ws))
    )


def _draw(ws: Workspace, replayed: Replayed, path: Path, comparison: Comparison, story: Story) -> None:
    draw = plugins.load("picture", "year")
    time = str(ws.project.source(ws.project.features.rows).time)
    traffic = (
        replayed.rows.filter(pl.col("version").is_not_null())
        .group_by(pl.col(time).dt.date().alias("day"), "version")
        .agg(rows=pl.len())
        .with_columns(bad=pl.col("version").is_in(_sabotaged(ws)))
    )
    draw(path, comparison=comparison, story=story, traffic=traffic, start=replayed.start, until=replayed.until)


def _is_kind(known: str, wanted: str) -> bool:
    return known == wanted or known.startswith(f"{wanted}.")


def _sabotaged(ws: Workspace) -> list[int]:
    known = versions.all_versions(ws.db, ws.model)
    return [version.number for version in known if version.origin.startswith("sabotage")]


def _complaints(ws: Workspace, story: Story, found: Audit, replayed: Replayed) -> list[str]:
    honest = {event.kind for event in ledger.read(ws.db) if not event.subject.startswith(SABOTAGE)}
    complaints = [
        f"no honest event of kind `{kind}` is in the ledger"
        for kind in ws.project.simulate.expect
        if not any(_is_kind(known, wanted) for known in honest for wanted in kind.split(" or "))
    ]
    logged = read(ws.state, columns=("id",), where=pl.col("arm") == "live").height
    unlogged = replayed.rows.height - replayed.failed - logged
    if replayed.failed:
        complaints.append(f"{replayed.failed:,} callers got no answer")
    if unlogged > 0:
        complaints.append(f"{unlogged} answered predictions are not in the log")
    complaints += [
        f"sabotage `{kind}` was not stopped: {why}" for kind, where, why in story.sabotage if where == NOT_STOPPED
    ]
    return complaints + [f"the ledger is broken: {fault}" for fault in found.faults]
