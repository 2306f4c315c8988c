"""After a run that ended well: all that decided it, so that the next one can see that nothing has changed."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import detent
from detent.data.stamp import is_outside
from detent.loop.runs.unchanged import PLAN, Answer, Asked, facts_of
from detent.loop.workspace import PipelineWorkspace
from detent.pipeline import plan_cache, store
from detent.pipeline.attempt import UNSTABLE
from detent.pipeline.document import load_document
from detent.pipeline.options import Options
from detent.pipeline.plan_cache import Watched
from detent.pipeline.trace.driver import Noted
from detent.project.declaration import FILE
from detent.project.sources import SourceLoader
from detent.records.run import Run
from detent.store.blobs import FolderBlobs
from detent.store.blobs.naming import name_of
from detent.store.clock import parse


def remember(
    ws: PipelineWorkspace, run: Run, answer: Answer, *, asked: Asked, noted: Noted, until: datetime | None, began: float
) -> None:
    """Write the plan cache; `noted` is what this process read, `until` when time alone changes the data's cut.

    `began` is the time (seconds of the epoch) at which this process began to read. Nothing is remembered when something
    that decided the run can't be watched by looking at files: a step that is always run, one with a probe, a source
    outside that has to be asked.
    """
    path = ws.state / PLAN
    watched = _watched(ws, run, asked=asked, noted=noted, until=until)
    if watched is None:
        plan_cache.forget(path)
    else:
        plan_cache.remember(path, watched, answer=dataclasses.asdict(answer), read_at=began)


def _watched(ws: PipelineWorkspace, run: Run, *, asked: Asked, noted: Noted, until: datetime | None) -> Watched | None:
    options = [node.options for node in load_document(run.graph, ws.blobs).graph.nodes]
    if any(option.changes == "always" or option.changes.startswith("probe") for option in options):
        return None
    outside = [source for source in ws.project.data if is_outside(source)]
    if any(source.changes is None or source.changes.kind != "ttl" for source in outside):
        return None
    ends = [] if until is None else [until.timestamp()]
    files, listings, variables, outputs = set(noted.files), set(noted.listings), dict(noted.variables), list[str]()
    entries = {(entry.key, entry.variant): entry for row in run.steps for entry in store.entries_of(ws.db, row.key)}
    for row in run.steps:
        if row.outcome == "skipped":
            continue
        entry = entries[row.key, row.variant]
        for read in entry.reads:
            if read.digest == UNSTABLE:
                return None
            place = str(ws.folder / read.name)
            if read.kind == "env":
                # What code of this process has set (scikit-learn does, when it is imported) never came from outside;
                # what it held before counts, if anybody asked.
                if read.name not in noted.own:
                    variables[read.name] = read.digest
            else:
                (listings if read.kind == "folder" else files).add(place)
        outputs += _places(ws, entry.stats)
    ttls = {option.ttl for option in options if option.ttl is not None}
    if ttls:
        ends += [parse(entry.created).timestamp() + min(ttls) for entry in entries.values()]
    modules = [*_project_modules(ws.folder), *_declared(ws, options)]
    return Watched(
        files=frozenset({*files, *map(str, modules), str(ws.folder / FILE), *_editable(), *_data(ws)}),
        folders=plan_cache.import_folders(modules, ws.folder),
        packages=plan_cache.package_folders(),
        listings=frozenset(listings),
        variables=variables,
        outputs=tuple(dict.fromkeys(outputs)),
        asked=dataclasses.asdict(asked),
        facts=facts_of(ws.db),
        until=min(ends, default=None),
    )


def _project_modules(folder: Path) -> list[Path]:
    """Return the project's files that this process has executed: pipeline, contracts, features and what they import."""
    root = folder.resolve()
    loaders = [getattr(getattr(module, "__spec__", None), "loader", None) for module in list(sys.modules.values())]
    paths = [Path(loader.path) for loader in loaders if isinstance(loader, SourceLoader)]
    return [path for path in paths if path.is_relative_to(root)]


def _declared(ws: PipelineWorkspace, options: Iterable[Options]) -> list[Path]:
    return [path for option in options for pattern in option.files for path in ws.folder.glob(pattern)]


def _data(ws: PipelineWorkspace) -> list[str]:
    return [str(ws.folder / source.source) for source in ws.project.data if not is_outside(source)]


def _places(ws: PipelineWorkspace, stats: Mapping[str, object]) -> list[str]:
    """Return where a result's blobs lie; those of an object store are not looked at, for that takes a call each."""
    if not isinstance(ws.blobs, FolderBlobs):
        return []
    return [str(ws.state / "blobs" / name_of(digest)) for digest in stats]


def _editable() -> list[str]:
    """Return this package's own files when they are worked on: an installed package says so by its folder."""
    root = Path(detent.__file__).parent
    if any(part.endswith("-packages") for part in root.parts):
        return []
    return [str(path) for path in root.rglob("*.py")]
