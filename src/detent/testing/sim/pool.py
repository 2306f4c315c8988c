"""Candidates of a campaign, trained and packed once: the project's own model, as good ones, worse ones, broken ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from detent import plugins
from detent.loop.runs.candidate import Candidate, Parts, make_candidate
from detent.loop.workspace import Workspace
from detent.store.canonical import digest_of
from detent.testing.sim.plan import EVALUATED
from detent.training import Model

HONEST, GOOD, BETTER, WORSE = "honest", "good", "better", "worse"
BROKEN = ("constant", "inverted", "nan", "raising", "shuffled", "wrong_shape")
LIVE_ONLY = ("raising", "wrong_shape")  # the gate can't see these: they fail on single rows, so a canary has to
_TREES: Mapping[str, Mapping[str, object]] = {
    GOOD: {"num_iterations": 25, "num_leaves": 7, "learning_rate": 0.15, "min_data_in_leaf": 25},
    BETTER: {"num_iterations": 40, "num_leaves": 7, "learning_rate": 0.12, "min_data_in_leaf": 20},
    WORSE: {"num_iterations": 2, "num_leaves": 3, "learning_rate": 0.02, "min_data_in_leaf": 60},
}
_HONEST_ONES = (GOOD, BETTER, GOOD, BETTER, GOOD, WORSE, GOOD, WORSE, GOOD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One candidate of the pool."""

    kind: str
    candidate: Candidate  # its folder is another one in each simulated week

    @property
    def broken(self) -> bool:
        """True for one that must never answer everybody."""
        return self.kind in BROKEN


def make_pool(ws: Workspace, parts: Parts, allowed: frozenset[str]) -> tuple[Made, ...]:
    """Return the project's own model and what was made of it; the first one is the project's own."""
    made = [_made(ws, HONEST, parts.model, parts.train, parts, allowed, 0)]
    for number, (kind, model, train) in enumerate(_models(ws, parts), start=1):
        made.append(_made(ws, kind, model, train, parts, allowed, number))
    return tuple(made)


def _models(ws: Workspace, parts: Parts) -> Iterator[tuple[str, Model, pl.DataFrame]]:
    label, train = ws.project.target.column, parts.train
    inputs = {field.name for field in parts.model.signature.inputs}
    exclude = [name for name in train.columns if name not in inputs | {label}]
    fit, task = plugins.load("trainer", "lightgbm"), ws.project.target.task
    for number, kind in enumerate(_HONEST_ONES):
        rows = train.sample(fraction=0.9, seed=number, shuffle=False)
        yield kind, fit(rows, label=label, exclude=exclude, task=task, seed=number, params=_TREES[kind]), rows
    # Small ones: what a bundle costs to open depends on its trees, and a week opens dozens.
    sound = fit(train, label=label, exclude=exclude, task=task, seed=0, params=_TREES[GOOD])
    for kind in BROKEN:
        spoil = plugins.load("sabotage", kind)
        yield kind, spoil(sound, train, label=label, exclude=exclude, seed=1), train


def _made(
    ws: Workspace, kind: str, model: Model, train: pl.DataFrame, parts: Parts, allowed: frozenset[str], number: int
) -> Made:
    # Rows of its own: the gate spends its chance of a wrong pass over all that are judged on the same ones.
    rows = parts.evaluation.sample(min(EVALUATED, parts.evaluation.height), seed=number, shuffle=False)
    own = Parts(
        model=model,
        train=train,
        evaluation=rows,
        train_digest=digest_of(["train", kind, number]),
        evaluation_digest=digest_of(["evaluation", kind, number]),
        code_digest=parts.code_digest,
    )
    origin = f"sabotage:{kind}" if kind in BROKEN else "pipeline"
    candidate = make_candidate(ws, own, run=f"pool-{number:02d}", origin=origin, allowed=allowed)
    return Made(kind=kind, candidate=candidate)
