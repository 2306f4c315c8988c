"""`detent lineage`: what a thing was made from, and what was made from it, over the tables of several rooms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from detent.errors import DataError, did_you_mean
from detent.loop.happened import MADE, events_of_kind, first_event
from detent.loop.lineage.ancestry import Ancestry
from detent.loop.lineage.descent import Descent
from detent.loop.lineage.executions import outputs_of
from detent.records.lineage import DOWN, UP, Lineage
from detent.registry import aliases, versions
from detent.rollout.words import count
from detent.store.database import Reader
from detent.store.queries import load_queries

SHORTEST = 4  # hexadecimal digits of a digest that are looked for
_SQL = load_queries("detent.loop.lineage")
_DIGEST = re.compile(r"[0-9a-f]+")
_STEP = re.compile(r"(?P<run>[^/]+)/(?P<step>[^/\[\]]+)(?:\[(?P<shard>\d+)\])?")


class Graph(Protocol):
    """Grows from one thing in one direction; every method returns the id of the node that it adds first."""

    def version(self, number: int) -> str: ...  # noqa: D102
    def bundle(self, digest: str, run: str) -> str: ...  # noqa: D102
    def run(self, run: str) -> str: ...  # noqa: D102
    def step(self, run: str, name: str, shard: int | None = None) -> str: ...  # noqa: D102
    def artifact(self, digest: str, name: str) -> str: ...  # noqa: D102
    def dataset(self, name: str) -> str: ...  # noqa: D102
    def snapshot(self, digest: str, dataset: str) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was asked about."""

    kind: str  # version | run | step | dataset | snapshot | bundle | artifact
    name: str  # version: its number; run, step: the run's id; dataset, snapshot: the dataset; bundle: its run
    digest: str = ""  # of a snapshot, bundle or artifact
    step: str = ""
    shard: int | None = None

    def __str__(self) -> str:
        if self.kind == "step":
            return f"{self.name}/{self.step}" + ("" if self.shard is None else f"[{self.shard}]")
        return f"{self.kind} {self.name}" + (f"@{self.digest[:12]}" if self.digest else "")


def lineage(db: Reader, target: Target, direction: str, *, model: str) -> Lineage:
    """Return everything above or below a target; `model` is the project's registered name.

    Raises:
        DataError: there is no such step.
        RefusedError: there is no such version.
    """
    graph = Ancestry(db, model) if direction == UP else Descent(db, model)
    root = _GROW[target.kind](graph, target)
    return Lineage(root=root, direction=direction, nodes=graph.nodes, edges=tuple(graph.edges))


_GROW: dict[str, Callable[[Graph, Target], str]] = {
    "version": lambda graph, target: graph.version(int(target.name)),
    "bundle": lambda graph, target: graph.bundle(target.digest, target.name),
    "run": lambda graph, target: graph.run(target.name),
    "step": lambda graph, target: graph.step(target.name, target.step, target.shard),
    "artifact": lambda graph, target: graph.artifact(target.digest, target.name),
    "dataset": lambda graph, target: graph.dataset(target.name),
    "snapshot": lambda graph, target: graph.snapshot(target.digest, target.name),
}


def usual_direction(target: Target) -> str:
    """Return what people want to know of a thing: where a model comes from, and where data goes."""
    return DOWN if target.kind in ("dataset", "snapshot", "artifact") else UP


def find_target(db: Reader, text: str, *, model: str) -> Target:
    """Return what a text names.

    MODEL, MODEL@ALIAS, MODEL@N, MODEL/N or N; a run; RUN/STEP or RUN/STEP[ITEM]; DATASET or DATASET@DIGEST; the
    beginning of the digest of a bundle, a snapshot or a step's output. A model's name alone means its champion, or its
    newest version when it has none.

    Raises:
        DataError: nothing has that name, or several things have.
    """
    lookups: tuple[Callable[[Reader, str, str], Iterable[Target]], ...] = (_version, _run, _dataset, _by_digest)
    for look_up in lookups:
        found = list(dict.fromkeys(look_up(db, text, model)))
        if len(found) > 1:
            shown = ", ".join(str(target) for target in found[:5])
            raise DataError(
                what=f"`{text}` names {len(found)} things",
                why=f"{shown}{' ...' if len(found) > 5 else ''}",
                fix="write more digits, or DATASET@DIGEST",
            )
        if found:
            return found[0]
    known = sorted({model, *_datasets(db)})
    raise DataError(
        what=f"there is no `{text}` here",
        why="no model, version, alias, run, step, dataset and no digest of at least "
        f"{SHORTEST} digits begins like that in this project's state",
        fix=did_you_mean(text.partition("@")[0].partition("/")[0], known),
    )


def _version(db: Reader, text: str, model: str) -> Iterator[Target]:
    whole = f"{model}@{text}" if text.isdecimal() else text.removeprefix("version:")
    name, separator, which = whole.partition("@" if "@" in whole else "/")
    if name != model:
        return
    every = versions.all_versions(db, model)
    if not separator:
        number = aliases.current(db, model, "champion") or (every[-1].number if every else None)
    elif which.isdecimal():
        number = int(which)
    else:
        number = aliases.current(db, model, which)
    if number is not None and any(version.number == number for version in every):
        yield Target(kind="version", name=str(number))
        return
    if not separator and name in _datasets(db):
        return  # a dataset of the project's name; there is no model yet to mistake it for
    known = [*aliases.all_current(db, model), *(str(version.number) for version in every[-3:])]
    raise DataError(
        what=f"`{model}` has no version or alias `{which}`" if separator else f"`{model}` has no version yet",
        why=f"it has {count(len(every), 'version')}" if every else "no candidate of it has passed the gate",
        fix=did_you_mean(which, known) if known else "see what became of the runs: detent lineage DATASET",
    )


def _run(db: Reader, text: str, model: str) -> Iterator[Target]:  # noqa: ARG001
    text = text.removeprefix("run:").removeprefix("step:")
    if _is_run(db, text):
        yield Target(kind="run", name=text)
    step = _STEP.fullmatch(text)
    if step and _is_run(db, step["run"]):
        shard = None if step["shard"] is None else int(step["shard"])
        yield Target(kind="step", name=step["run"], step=step["step"], shard=shard)


def _is_run(db: Reader, name: str) -> bool:
    return db.row(_SQL["run"], run=name) is not None or first_event(db, MADE, f"run:{name}") is not None


def _dataset(db: Reader, text: str, model: str) -> Iterator[Target]:  # noqa: ARG001
    name, separator, digest = text.removeprefix("dataset:").removeprefix("snapshot:").partition("@")
    if name not in _datasets(db):
        return
    if not separator:
        yield Target(kind="dataset", name=name)
    elif _DIGEST.fullmatch(digest):
        for row in db.rows(_SQL["snapshots_like"], low=digest, high=digest + "g"):
            if row["dataset"] == name:
                yield Target(kind="snapshot", name=name, digest=row["id"])


def _by_digest(db: Reader, text: str, model: str) -> Iterator[Target]:
    """Look for a digest; one thing may be found by several of its names, and the nearest to serving counts."""
    digest = text.removeprefix("bundle:").removeprefix("artifact:").removeprefix("sha256:")
    if len(digest) < SHORTEST or not _DIGEST.fullmatch(digest):
        return
    registered = {version.digest: version.number for version in versions.all_versions(db, model)}
    bundles = {str(event.payload["bundle"]): event.subject for event in events_of_kind(db, MADE)}
    for bundle in {**bundles, **dict.fromkeys(registered, "")}:
        if bundle.startswith(digest):
            if bundle in registered:
                yield Target(kind="version", name=str(registered[bundle]))
            else:
                yield Target(kind="bundle", name=bundles[bundle].removeprefix("run:"), digest=bundle)
    for row in db.rows(_SQL["snapshots_like"], low=digest, high=digest + "g"):
        yield Target(kind="snapshot", name=row["dataset"], digest=row["id"])
    for row in db.rows(_SQL["outputs_like"], needle=f'%"{digest}%'):
        for _, output in outputs_of(row):
            if output.startswith(digest):
                yield Target(kind="artifact", name="", digest=output)


def _datasets(db: Reader) -> list[str]:
    return [row["dataset"] for row in db.rows(_SQL["datasets"])]
