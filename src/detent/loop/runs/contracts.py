"""Hold every dataset against its contract: the Pandera schema, the promises of `expect`, suites of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.data import store as snapshots
from detent.data.contract import judge_contract
from detent.data.expect import gx
from detent.data.expect import store as checks
from detent.data.expect.judge import Checked, columns_compared, evaluate
from detent.data.expect.measure import stale_after
from detent.data.expect.refusal import BrokenContractError, refusal
from detent.data.expect.suites import GX, suite_of
from detent.data.parts import read_snapshot
from detent.errors import DataError, DetentError, ProjectError, StoreError, TamperedError, did_you_mean
from detent.loop.places import environments
from detent.loop.workspace import PipelineWorkspace
from detent.records.event import Fact
from detent.records.expectation import DataCheck, Expectation, Suite
from detent.records.project import Source
from detent.records.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came of holding every dataset against its contract."""

    checks: Mapping[str, DataCheck]  # by dataset; those that promise nothing are not in it
    failing: Mapping[str, pl.DataFrame]  # kept failing rows, by their blob's digest
    error: BrokenContractError | None  # what breaks a promise that must hold
    until: datetime | None  # from then on a freshness that holds now is broken unless rows come; None: never


def hold(
    ws: PipelineWorkspace, taken: Mapping[str, Snapshot], frames: Mapping[str, pl.DataFrame], *, now: datetime
) -> Held:  # fmt: skip
    """Judge every dataset that promises anything; failing rows are stored, nothing else is.

    Raises:
        ProjectError: a contract or a suite can't be built.
        MissingExtraError: a suite needs Great Expectations itself, and its environment was never made.
    """
    judged: dict[str, list[Checked]] = {}
    held: dict[str, DataCheck] = {}
    ends: list[datetime] = []
    for source in ws.project.data:
        if source.contract is None and not source.expect:
            continue
        snapshot, promises = taken[source.name], _promises(source, ws)
        last = checks.last_good(ws.db, source.name, other_than=snapshot.id)
        many = _judge(ws, source, promises, frames, last=last, now=now)
        judged[source.name] = many
        held[source.name] = checks.keep(
            many, dataset=source.name, snapshot=snapshot.id, last=last, blobs=ws.blobs
        )  # fmt: skip
        ends += _ends(frames[source.name], promises, now)
    failing = {
        result.kept: one.failing
        for name, check in held.items()
        for result, one in zip(check.results, judged[name], strict=True)
        if one.failing is not None
    }
    return Held(
        checks=held, failing=failing, error=refusal(judged, ws.project.data), until=min(ends) if ends else None
    )  # fmt: skip


def checked_fact(ws: PipelineWorkspace, held: Mapping[str, DataCheck]) -> Fact:
    """Say what came of the checks, with the blobs of the rows that failed."""
    return Fact(
        kind="data.checked",
        subject=f"project:{ws.project.name}",
        actor=ws.actor,
        payload={name: _payload(check) for name, check in held.items()},
    )


def _payload(check: DataCheck) -> dict[str, object]:
    return {
        "snapshot": check.snapshot,
        "last": check.last,
        "outcome": check.outcome,
        "promises": len(check.results),
        "broken": [
            {
                "promise": result.expectation, "outcome": result.outcome, "value": result.value,
                "threshold": result.threshold, "rows": result.rows, "failing": result.failing, "kept": result.kept,
            }
            for result in check.results
            if result.outcome != "pass"
        ],
    }  # fmt: skip


def _promises(source: Source, ws: PipelineWorkspace) -> list[Expectation]:
    found: list[Expectation] = []
    for promise in source.expect:
        found += suite_of(promise, ws.folder) if isinstance(promise, Suite) else [promise]
    return found


def _judge(
    ws: PipelineWorkspace,
    source: Source,
    promises: Sequence[Expectation],
    frames: Mapping[str, pl.DataFrame],
    *,
    last: str | None,
    now: datetime,
) -> list[Checked]:
    frame = frames[source.name]
    found: list[Checked] = []
    if source.contract is not None:
        found += judge_contract(frame, source.contract, folder=ws.folder, source=source)
    theirs = [promise for promise in promises if promise.name == GX]
    ours = [promise for promise in promises if promise.name != GX]
    if any(promise.last for promise in ours) and last is not None:
        before = _last_rows(ws, last, columns_compared(ours))
    else:
        before = None
    found += evaluate(frame, ours, last=before, others=frames, now=now)
    if theirs:
        found += gx.run(frame, theirs, environments=environments(ws.state))
    return found


def _last_rows(ws: PipelineWorkspace, last: str, columns: Sequence[str]) -> pl.DataFrame:
    """Return the needed columns of the last good snapshot.

    Raises:
        DataError: the store has lost them, so a comparison can't run, and that is no success.
    """
    try:
        frame = read_snapshot(snapshots.load(ws.db, last), ws.blobs)
    except (StoreError, TamperedError) as error:
        raise DataError(
            what=f"the last good snapshot {last[:12]} can't be read, so nothing can be compared with it",
            why=f"{error.what}: {error.why}",
            fix="restore the blob; or take the lines that compare with `last` out, run once, and put them back",
        ) from error
    known = [name for name in columns if name in frame.columns]
    return frame.select(known) if known else frame.select(pl.first())


def _ends(frame: pl.DataFrame, promises: Sequence[Expectation], now: datetime) -> list[datetime]:
    found = []
    for promise in promises:
        try:
            end = stale_after(frame, promise, now)
        except DetentError:  # the judge says it: the column holds no times
            continue
        found += [end] if end is not None else []
    return found


def last_checks(ws: PipelineWorkspace, datasets: Sequence[str] = ()) -> list[DataCheck]:
    """Return the newest check of each dataset that was ever checked, in the order of detent.yaml.

    Raises:
        ProjectError: a name in `datasets` is no dataset of the project.
    """
    known = [source.name for source in ws.project.data]
    for name in datasets:
        if name not in known:
            raise ProjectError(
                what=f"`{name}` is no dataset of this project",
                why=f"{ws.project.name} declares {', '.join(known) or 'none'}",
                fix=did_you_mean(name, known),
            )
    histories = [checks.history(ws.db, name)[:1] for name in (datasets or known)]
    return [check for history in histories for check in history]


def rows_of(ws: PipelineWorkspace, check: DataCheck) -> dict[str, pl.DataFrame]:
    """Return the failing rows of a check by their blob's digest; those that were collected since are left out."""
    found: dict[str, pl.DataFrame] = {}
    for result in check.results:
        try:
            rows = checks.read_failing(result, ws.blobs)
        except StoreError:
            continue
        if rows is not None:
            found[result.kept] = rows
    return found
