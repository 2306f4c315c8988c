"""A host follows the database that it shares with others: its page of routes, its versions, its API keys.

Told at once by PostgreSQL's notifications, and looked at every `POLL_SECONDS` in any case. While the database is away
the host answers with what it has, and says so in its metrics.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from detent.bundle.files import MANIFEST_NAME, SIGNATURE_NAME, VERDICT_NAME
from detent.bundle.publish import fetch
from detent.errors import DetentError, RefusedError, TamperedError
from detent.gate import store as verdicts
from detent.loop import places
from detent.loop.hosts.following_gauges import Standing, write_gauges
from detent.loop.workspace import ServingHost, Workspace
from detent.records.route import Route
from detent.registry import versions
from detent.serving import hosts
from detent.serving.hosts import Published
from detent.serving.models.locate import Located, read_index, write_index
from detent.serving.pages import keyring
from detent.serving.pages.routes import RoutePage
from detent.serving.places import following, route_page
from detent.store import ledger

POLL_SECONDS = 1.0
BEAT_SECONDS = 1.0
PREPARE_SECONDS = 60.0
AGAIN_SECONDS = 10.0  # until versions that were refused are fetched and tried again


class Processes(Protocol):
    """The serving processes of this host."""

    def prepare(self, versions: Sequence[int], timeout: float, *, model: str | None = None) -> Mapping[int, str]:
        """Wait until every process holds the versions; return the reason for each one that was refused."""
        ...


class Follower:
    """Two threads: one brings this host in line, the other one says meanwhile that it lives. Call `converge` first."""

    def __init__(self, ws: Workspace | ServingHost, processes: Processes, *, tell: Callable[[str], None]) -> None:
        self._ws, self._processes, self._tell = ws, processes, tell
        self._endpoint, self._host = ws.project.serving.endpoint, hosts.own_id(ws.state)
        self._page = RoutePage(route_page(ws.state))
        self._keys: tuple[int, int] | None = None
        self._seq, self._refused, self._again = 0, dict[int, str](), 0.0
        self._standing = Standing()
        self._fault = ""
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow_on, name="follow", daemon=True),
            threading.Thread(target=self._beat_on, name="beat", daemon=True),
        ]

    def __enter__(self) -> Follower:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        with suppress(DetentError), self._ws.db.transaction() as tx:
            hosts.leave(tx, self._host)
        following(self._ws.state).unlink(missing_ok=True)

    def converge(self) -> None:
        """Bring the bundles and the page in line before the processes start: they answer with the newest route.

        Raises:
            RefusedError: nothing was ever deployed.
            TamperedError: this host would make prediction ids that the others don't know.
            DetentError: a version that answers can't be fetched.
        """
        with self._ws.db.transaction() as tx:
            hosts.join(tx, self._host)
        found = hosts.published(self._ws.db, self._endpoint)
        if found is None:
            raise RefusedError(
                what="there is nothing to serve",
                why="no version of this project was deployed into the shared database",
                fix="on the host that trains: detent run, then detent deploy",
            )
        if found.ids != hosts.digest_of_ids(self._ws.state):
            raise TamperedError(
                what="the key of the prediction ids is not that of the other hosts",
                why="labels for answers of this host would be refused by the others",
                fix="copy keys/predictions.key from the host of `detent up`",
            )
        trouble = self._bring(found)
        for number in _answering(found.route):
            if number in trouble:
                raise trouble[number]
        self._write(found.route)

    def _follow_on(self) -> None:
        with self._ws.db.changes(hosts.TOPIC) as changes:
            while not self._stop.is_set():
                self._look_safely()
                changes.wait(POLL_SECONDS)

    def _beat_on(self) -> None:
        """Say that this host lives, also while it loads something for a long time."""
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(DetentError), self._ws.db.transaction() as tx:
                hosts.beat(tx, self._host, self._ws.now())

    def _look_safely(self) -> None:
        try:
            self._look()
        except DetentError as error:
            if self._fault != error.what:
                self._tell(f"following the database failed, answers go on as they are: {error.what} ({error.why})")
            self._fault = error.what
            self._standing = replace(self._standing, up=False)
        else:
            if self._fault:
                self._tell("the database is followed again")
            self._fault = ""
        with suppress(OSError):
            write_gauges(following(self._ws.state), self._standing)

    def _look(self) -> None:
        db = self._ws.db
        keys = ledger.last_seq(db, keyring.ADDED), ledger.last_seq(db, keyring.REVOKED)
        if keys != self._keys:
            keyring.publish_if_any(self._ws.state, db)
            self._keys = keys
        found = hosts.published(db, self._endpoint)
        if found is None:
            return
        self._follow(found)
        self._acknowledge(found)
        self._standing = Standing(
            up=True, seen=time.time(), published=found.seq, followed=self._seq, refused=len(self._refused)
        )

    def _follow(self, found: Published) -> None:
        route, current = found.route, self._page.read()[1].get(self._endpoint) or _nothing(found.route)
        if found.seq == self._seq:
            done = time.monotonic() < self._again if self._refused else _same(current, route)
            if done:
                return
        refused = {number: f"{error.what}: {error.why}" for number, error in self._bring(found).items()}
        if self._refused or not set(route.loaded) <= set(current.loaded):
            # Also when nothing new is named: processes try again what they refused when the page has a new number.
            current = replace(current, loaded=tuple(dict.fromkeys((*current.loaded, *route.loaded))))
            self._write(current)
            refused = {**self._processes.prepare(route.loaded, PREPARE_SECONDS, model=route.model), **refused}
        if not refused.keys() & _answering(route) and not _same(current, route):
            self._write(route)
        if refused and refused != self._refused:
            self._tell("; ".join(f"version {number} is refused here: {why}" for number, why in refused.items()))
        self._seq, self._refused, self._again = found.seq, refused, time.monotonic() + AGAIN_SECONDS

    def _acknowledge(self, found: Published) -> None:
        refused = {str(number): why for number, why in self._refused.items()}
        known = next((one for one in hosts.hosts(self._ws.db, self._endpoint) if one.host == self._host), None)
        told = known is not None and (known.seq, known.refused) == (self._seq, refused)
        if told and known is not None and (known.state == hosts.SERVING or found.seq != self._seq):
            return
        with self._ws.db.transaction() as tx:
            if known is None:  # somebody has removed the row
                hosts.enrol(tx, self._ws.state, self._endpoint, self._ws.now())
            hosts.acknowledge(tx, self._host, self._seq, self._refused, self._ws.now())

    def _bring(self, found: Published) -> dict[int, DetentError]:
        """Fetch the bundles that a route names, with signature and verdict; return what went wrong, by version."""
        ws, trouble, index = self._ws, dict[int, DetentError](), dict(read_index(self._ws.state))
        for number in found.route.loaded:
            try:
                version = versions.get(ws.db, ws.model, number)
                target = places.bundles(ws.state) / version.digest
                located = Located(digest=version.digest, folder=str(target))
                # What lies here may be read by a process at this moment, so nothing is written beside it.
                if index.get(str(version)) != located or not _is_complete(target):
                    fetch(
                        version.digest,
                        ws.blobs,
                        places.bundles(ws.state),
                        signature=found.signatures.get(number),
                        verdict=verdicts.load(ws.db, version.verdict),
                    )
                index[str(version)] = located
            except DetentError as error:
                trouble[number] = error
        if index != read_index(ws.state):
            write_index(ws.state, index)
        return trouble

    def _write(self, route: Route) -> None:
        self._page.write([replace(route, seq=self._page.seq() + 1)])


def _is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (MANIFEST_NAME, SIGNATURE_NAME, VERDICT_NAME))


def _nothing(route: Route) -> Route:
    return replace(route, arms=(), shadows=(), fallback=None, loaded=())


def _answering(route: Route) -> set[int]:
    return {*(arm.version for arm in route.arms), *route.shadows}


def _same(one: Route, other: Route) -> bool:
    return replace(one, seq=0) == replace(other, seq=0)
