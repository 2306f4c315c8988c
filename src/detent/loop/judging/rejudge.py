"""Judge a model again that was judged before: the same bundle on the same rows, by today's gate section."""

from __future__ import annotations

import io
from dataclasses import dataclass

import polars as pl

from detent.bundle.codec import signature_from_json
from detent.bundle.publish import fetch
from detent.errors import DetentError, RefusedError
from detent.loop import places
from detent.loop.champion import champion_version
from detent.loop.happened import MADE, first_event
from detent.loop.judging.judge import judge_against
from detent.loop.judging.judged import Judged
from detent.loop.runs.candidate import Candidate
from detent.loop.runs.datasets import ingest_all
from detent.loop.workspace import Workspace
from detent.records.check import CheckResult, Verdict
from detent.records.event import Event
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.store.lock import awaited_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One check before and now; None: it was not, or is not any more, in the gate section."""

    check: str
    before: CheckResult | None
    now: CheckResult | None

    @property
    def changed(self) -> bool:
        """Return whether the decision is another one."""
        return _decision(self.before) != _decision(self.now)


def rejudge(ws: Workspace, judged: Judged) -> Verdict:
    """Return a new verdict, sealed and in the ledger; it registers nothing and takes nothing back.

    The model stands beside today's champion; if it is that itself, beside whom it was judged at first. It keeps its
    place among the candidates on its rows, so no alpha is spent.

    Raises:
        RefusedError: its bundle or its rows are not in the state any more.
        ProjectError: a check names a column or metric that does not exist.
    """
    candidate = _candidate(ws, judged)
    champion = champion_version(ws)
    if champion is not None and champion.digest == candidate.digest:
        champion = _first_opponent(ws, judged)
    with awaited_lock(ws.state / "judging.lock"):
        return judge_against(ws, candidate, champion, ingest_all(ws, ws.now()))


def compared(before: Verdict, now: Verdict) -> tuple[Compared, ...]:
    """Return the checks of two verdicts side by side, in the order of the new one, those that are gone last."""
    old = {result.check: result for result in before.results}
    new = {result.check: result for result in now.results}
    return tuple(
        Compared(check=check, before=old.get(check), now=new.get(check)) for check in dict.fromkeys((*new, *old))
    )


def _candidate(ws: Workspace, judged: Judged) -> Candidate:
    made = first_event(ws.db, MADE, f"run:{judged.run}")
    if made is None:
        raise _gone(judged, "the ledger does not say what it was made of", "judge a new candidate: detent run")
    digest = judged.verdict.model_digest
    try:
        folder = fetch(digest, ws.blobs, places.bundles(ws.state))
        train, evaluation = (
            _rows(ws, made, "train"),
            pl.read_parquet(io.BytesIO(ws.blobs.get(judged.verdict.data_digest))),
        )
    except (DetentError, OSError) as error:
        why = error.what if isinstance(error, DetentError) else str(error)
        raise _gone(
            judged, why, "restore the state folder from a backup, or judge a new candidate: detent run"
        ) from error
    return Candidate(
        run=judged.run,
        origin=judged.origin,
        digest=digest,
        folder=folder,
        signature=signature_from_json((folder / "signature.json").read_bytes()),
        train=train,
        evaluation=evaluation,
        data_digest=judged.verdict.data_digest,
        allowed_inputs=frozenset(made.payload["allowed_inputs"]),
    )


def _rows(ws: Workspace, made: Event, name: str) -> pl.DataFrame:
    digest = made.payload.get(name)
    if digest is None:  # a drill's known-bad model: its rows were never stored
        raise RefusedError(
            what=f"the {name} rows were not stored",
            why="the model was not made by a run of the pipeline",
            fix="judge a candidate of the pipeline",
        )
    return pl.read_parquet(io.BytesIO(ws.blobs.get(digest)))


def _first_opponent(ws: Workspace, judged: Judged) -> ModelVersion | None:
    digest = judged.verdict.champion_digest
    return None if digest is None else versions.find(ws.db, ws.model, digest)


def _decision(result: CheckResult | None) -> str:
    return "" if result is None else result.decision


def _gone(judged: Judged, why: str, fix: str) -> RefusedError:
    name = judged.run or f"verdict {judged.verdict.id[:12]}"
    return RefusedError(what=f"{name} can't be judged again", why=why, fix=fix)
