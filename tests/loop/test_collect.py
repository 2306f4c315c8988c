from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from detent.bundle.publish import fetch
from detent.data.parts import read_snapshot
from detent.data.store import load
from detent.data.versions import store
from detent.data.versions.archive import Archive, Wish, add_version
from detent.data.versions.names import resolve
from detent.data.versions.retention import Retention
from detent.data.versions.store import root_of
from detent.data.versions.sweep import Patience
from detent.data.versions.tree import contents
from detent.errors import BusyError, StoreError
from detent.loop.collect.collect import collect, register
from detent.loop.collect.uses import uses_of
from detent.loop.train import train
from detent.loop.workspace import Workspace, open_workspace
from detent.registry import versions
from detent.store import ledger
from detent.store.lock import held_lock

from .conftest import REQUEST, rewrite

AT_ONCE = Patience(grace_seconds=0.0, wait_seconds=0.0)
STRICT = Retention(last=1, run_days=0.0)


def archive_of(ws: Workspace) -> Archive:
    return Archive(
        db=ws.db, blobs=ws.blobs, clock=ws.clock, actor="test", folder=ws.folder, state=ws.state, settle_seconds=0.0
    )


def alive(ws: Workspace) -> set[str]:
    return set(ws.blobs.names())


def test_a_registered_model_keeps_everything_it_came_from(served: Workspace, tmp_path: Path, executor) -> None:
    garbage = served.blobs.put(b"nobody needs this")
    version = versions.get(served.db, served.model, 1)
    done = collect(served, STRICT, AT_ONCE, really=True)
    assert garbage in {name for name, _ in done.deleted}
    assert done.sweep.kept[f"model {served.model}/1"].blobs > 10

    fetch(version.digest, served.blobs, tmp_path / "fetched")
    (run,) = served.db.rows("SELECT graph, inputs FROM runs WHERE id = :run", run=version.run)
    for given in json.loads(run["inputs"]).values():
        assert read_snapshot(load(served.db, given["digest"]), served.blobs).height > 0
    named = set(re.findall(r"[0-9a-f]{64}", served.blobs.get(run["graph"]).decode()))
    assert named <= alive(served)
    steps = served.db.rows("SELECT outputs FROM step_runs WHERE run = :run", run=version.run)
    outputs = {digest for row in steps for _, digest in json.loads(row["outputs"])}
    assert outputs
    assert outputs <= alive(served)
    again = train(served, REQUEST, executor=executor)
    assert {step.outcome for step in again.run.steps} == {"hit"}  # every result can still be opened


def test_a_dry_run_says_what_would_go_and_touches_nothing(served: Workspace) -> None:
    garbage = served.blobs.put(b"nobody needs this")
    before, events = alive(served), ledger.count_by_kind(served.db)
    done = collect(served, STRICT, AT_ONCE)
    assert garbage in {name for name, _ in done.sweep.due}
    assert done.deleted == ()
    assert (alive(served), ledger.count_by_kind(served.db)) == (before, events)


def test_an_old_version_goes_and_shared_files_and_the_ledger_stay(served: Workspace, tmp_path: Path) -> None:
    archive, source = archive_of(served), tmp_path / "in"
    source.mkdir()
    added = []
    for number in range(3):
        (source / "same").write_bytes(b"same")
        (source / "other").write_bytes(bytes([number]) * 100)
        added.append(add_version(archive, str(source), Wish(name="d")).version)
    old = set(contents(root_of(added[0], served.blobs), served.blobs)) | {added[0].id}
    new = set(contents(root_of(added[2], served.blobs), served.blobs)) | {added[2].id}
    first = collect(served, STRICT, Patience(grace_seconds=0.0), really=True)
    assert first.deleted == ()  # only noted: it takes two looks
    assert old <= alive(served)
    second = collect(served, STRICT, AT_ONCE, really=True)
    assert old - new <= {name for name, _ in second.deleted}
    assert new <= alive(served)
    facts = [event.payload for event in ledger.read(served.db, kind="data.collected")]
    assert [fact["deleted"] for fact in facts] == [0, len(second.deleted)]
    with pytest.raises(StoreError, match="missing"):
        root_of(resolve(served.db, served.blobs, "d~2"), served.blobs)
    assert ledger.verify(served.db).intact
    (source / "other").write_bytes(bytes([0]) * 100)
    back = add_version(archive, str(source), Wish(name="d")).version  # added again, it is whole again
    assert back.id == added[0].id
    assert old <= alive(served)


def test_what_was_stored_a_moment_ago_stays_whatever_the_rules(served: Workspace) -> None:
    fresh = served.blobs.put(b"of a run that has not committed yet")
    done = collect(served, STRICT, Patience(wait_seconds=0.0), really=True)
    assert done.deleted == ()
    assert served.blobs.has(fresh)


def test_recent_runs_and_candidates_that_were_refused_stay_for_their_days(served: Workspace, executor) -> None:
    rewrite(served.folder, lambda rows: rows.with_columns(pl.col("returned").shuffle(seed=3)))
    outcome = train(served, REQUEST, executor=executor)
    assert outcome.version is None
    before = alive(served)
    assert collect(served, Retention(last=1), AT_ONCE, really=True).deleted == ()
    assert alive(served) == before
    assert collect(served, STRICT, AT_ONCE, really=True).deleted
    assert versions.get(served.db, served.model, 1).digest in alive(served)


def test_a_collection_that_is_killed_half_way_is_finished_by_the_next(
    served: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        served.blobs.put(bytes([number]) * 50)
    delete, calls = type(served.blobs).delete, []

    def killed(self, digest: str) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(digest)
        delete(self, digest)

    with monkeypatch.context() as patch:
        patch.setattr(type(served.blobs), "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            collect(served, STRICT, AT_ONCE, really=True)
    done = collect(served, STRICT, AT_ONCE, really=True)
    assert done.deleted
    assert collect(served, STRICT, AT_ONCE).sweep.due == ()
    assert versions.get(served.db, served.model, 1).digest in alive(served)


def test_two_collections_at_once_are_refused(served: Workspace) -> None:
    with held_lock(served.state / "gc.lock", what="x", why="x", fix="x"), pytest.raises(BusyError, match="running"):
        collect(served, STRICT, AT_ONCE)


def test_a_project_that_shares_a_store_is_spared_by_the_other(served: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "neighbour"
    shutil.copytree(served.folder, folder, ignore=shutil.ignore_patterns(".detent"))
    (folder / ".detent").mkdir()
    (folder / ".detent" / "blobs").symlink_to(served.state / "blobs")
    register(served)
    other = open_workspace(folder, actor="test")
    register(other)
    source = tmp_path / "in"
    source.mkdir()
    (source / "f").write_bytes(b"theirs")
    theirs = add_version(archive_of(other), str(source), Wish(name="d")).version
    mine = versions.get(served.db, served.model, 1).digest
    assert collect(served, STRICT, AT_ONCE, really=True).deleted == ()  # all of it may be the other's
    done = collect(other, STRICT, AT_ONCE, really=True)
    assert [neighbour.name for neighbour in done.neighbours] == [served.project.name]
    assert mine in alive(served)
    assert theirs.id in alive(served)


def test_a_version_that_is_damaged_stops_the_collection_and_says_how_to_go_on(served: Workspace, tmp_path) -> None:
    archive, source = archive_of(served), tmp_path / "in"
    source.mkdir()
    for number in range(40):
        (source / f"{number}").write_bytes(bytes([number]))
    version = add_version(archive, str(source), Wish(name="d")).version
    root = root_of(version, served.blobs)
    assert isinstance(getattr(root, "ref", None), str)
    served.blobs.delete(root.ref)  # pyright: ignore
    with pytest.raises(StoreError, match="nobody knows what d@") as caught:
        collect(served, STRICT, AT_ONCE, really=True)
    assert "--keep-last" in caught.value.fix


def test_the_log_knows_which_runs_and_models_used_a_version(served: Workspace) -> None:
    name = served.project.data[0].name
    (version,) = store.history(served.db, name)
    used = uses_of(served.db)[version.id]
    assert used.models == [f"{served.model}/1"]
    assert len(used.runs) == 1


def test_time_is_the_machines_whatever_the_projects_clock_says(served: Workspace) -> None:
    class Past:
        def now(self) -> datetime:
            return datetime(2013, 1, 1, tzinfo=UTC)

    garbage = served.blobs.put(b"nobody needs this")
    ws = replace(served, clock=Past())
    assert collect(ws, STRICT, Patience(grace_seconds=timedelta(days=7).total_seconds())).sweep.due == ()
    assert served.blobs.has(garbage)
