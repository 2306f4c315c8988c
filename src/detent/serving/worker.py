"""One serving process: it puts the parts together, follows the route page, answers, and ends cleanly.

Versions are loaded before the socket is accepted from, so a fresh or restarted worker never answers "not ready" for a
version it could load. Callers wait in the socket's queue meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn
import uvloop

from detent.records.log import KEEP
from detent.serving import acknowledge, granules, keyring, places
from detent.serving.acknowledge import Acknowledgement
from detent.serving.admission import admit_version
from detent.serving.app import App, Parts
from detent.serving.breaker import CLOSED
from detent.serving.counters import Counters
from detent.serving.door import Door
from detent.serving.endpoints import Endpoints
from detent.serving.feedback import RecordLabels
from detent.serving.gateway import Gateway
from detent.serving.heads import Heads
from detent.serving.hot import Hot
from detent.serving.identifiers import PredictionIds, load_or_create_key, start_of
from detent.serving.keys import Keys
from detent.serving.lanes import Lane
from detent.serving.limits import Meters
from detent.serving.loaded import LoadedVersion
from detent.serving.locate import Locate, locate_by_index
from detent.serving.log import PredictionLog
from detent.serving.manage import Application, Public, Server
from detent.serving.protocol import FastProtocol
from detent.serving.routes import RoutePage
from detent.serving.settings import WorkerSettings
from detent.serving.shadows import Shadows
from detent.serving.sockets import address_of
from detent.serving.tickets import is_gone
from detent.serving.triggers import RecordCall
from detent.serving.versions import Versions
from detent.store.clock import Clock, SystemClock, VirtualClock

LOG = logging.getLogger(__name__)
_COLLECT = (20_000, 20, 50)  # requests leave no circles behind: what the collector may find is not theirs
POLL_SECONDS = 0.02  # how often an idle worker looks at the page for versions to load; answers look at it every time


def main(
    settings: WorkerSettings,
    *,
    locate: Locate | None = None,
    record_labels: RecordLabels | None = None,
    record_call: RecordCall | None = None,
) -> None:
    """Run one worker until SIGTERM, or until its supervisor is gone.

    `locate` finds a version's folder (the index in the state folder when None). `record_labels` keeps labels; it is
    called from one thread at a time. `record_call` keeps calls of triggers, from the same thread.

    Raises:
        DetentError: the slot is taken, or a file of the state folder is damaged.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    worker = Worker(settings, locate=locate, record_labels=record_labels, record_call=record_call)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(worker.run())


class Worker:
    """The parts of one process and their life."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        locate: Locate | None,
        record_labels: RecordLabels | None,
        record_call: RecordCall | None = None,
    ) -> None:
        state = Path(settings.state)
        self._settings, self._state = settings, state
        self._page = RoutePage(places.route_page(state))
        self._counters = Counters(places.counter_files(state), settings.slot)
        acknowledge.forget(places.acknowledgements(state), settings.slot)
        self._clock: Clock = SystemClock() if settings.clock_file is None else VirtualClock(Path(settings.clock_file))
        key = load_or_create_key(places.prediction_key(state))
        ids = PredictionIds(key, slot=settings.slot, start=start_of(settings.site, self._counters.get("starts")))
        admit = partial(
            admit_version, locate=locate or locate_by_index(state), public=bytes.fromhex(settings.public_key)
        )
        self._versions = Versions(admit, partial(self._counters.add, "loads"))
        endpoints = Endpoints(
            self._page,
            self._versions,
            dict(settings.entity),
            settings.endpoints,
            scores=dict(settings.scores),
            lane=partial(Lane, timeout=settings.timeout, changed=self._breaker_changed, gone=is_gone),
        )
        self._log = PredictionLog(
            places.segments(state),
            f"w{settings.slot}",
            plan=settings.log,
            key=key,
            counters=self._counters,
            segment_bytes=settings.log_bytes,
        )
        self._shadows = Shadows(self._counters, self._log)
        self._counting = _counting(settings)
        gateway = Gateway(
            endpoints=endpoints,
            counters=self._counters,
            ids=ids,
            log=self._log,
            shadows=self._shadows,
            clock=self._clock,
            see=None if self._counting is None else self._counting.see,
        )
        self._endpoints = endpoints
        meters = Meters(places.meters(state), keyring.MOST, slot=settings.slot, workers=settings.workers)
        self._keys = Keys(settings.api_key_digest, self._counters, keyring.open_page(state), meters)
        door = Door(self._keys, self._counters, timeout=settings.timeout, most_open=settings.most_open)
        origins = frozenset(origin.encode() for origin in settings.origins)
        self._hot = Hot(gateway, endpoints, self._counters, door, origins)
        self.app = App(
            Parts(
                hot=self._hot,
                endpoints=endpoints,
                counters=self._counters,
                counter_folder=places.counter_files(state),
                ids=ids,
                clock=self._clock,
                record_labels=record_labels,
                record_call=record_call,
                keys=self._keys,
            )
        )
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")
        self._followed = -1  # sequence number of the table that was acknowledged
        self._address = ""
        self._server: Server | None = None

    async def run(self) -> None:
        """Load, answer, stop."""
        listener = _listener(self._settings)
        self._address = address_of(listener, secure=self._settings.certificate is not None)
        server = self._server = self._listening()
        _stop_on_signals(server)
        await self.follow()
        # What is loaded by now stays for good; without this the collector walks through all of it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        watch = asyncio.create_task(self._watch(server))
        try:
            await server.serve(sockets=[listener])
        finally:
            watch.cancel()
            self.close()

    def _listening(self) -> Server:
        """Return the server of the public port and, when there is one, of the management port."""
        settings = self._settings
        origins = frozenset(origin.encode() for origin in settings.origins)
        app = Public(self.app, hidden=frozenset(settings.hidden), origins=origins)
        protocol, managed = self._protocol(settings.fast_path), self._protocol(fast=False)
        public = _config(app, protocol, settings)
        if settings.manage_listener is None:
            protocol.process = server = Server(public, None, None)
            return server
        plain = replace(settings, certificate=None, private_key=None)
        listener = socket.socket(fileno=settings.manage_listener)
        server = Server(public, _config(self.app, managed, plain), listener)
        protocol.process = managed.process = server
        return server

    def _breaker_changed(self, version: LoadedVersion, state: str) -> None:
        LOG.warning("action=breaker model=%s version=%d state=%s", version.model, version.number, state)
        self._counters.mark_breaker(version.model, version.number, opened=state != CLOSED)

    def _protocol(self, fast: bool) -> type[FastProtocol]:
        """Return a class of connections, with the parts of this process."""
        parts = {
            "hot": self._hot,
            "keys": self._keys,
            "heads": Heads(),
            "fast": fast,
        }
        return type("Connection", (FastProtocol,), parts)

    async def follow(self) -> None:
        """Bring the versions in line with the newest routes, and say so to the supervisor."""
        loop = asyncio.get_running_loop()
        seq, table = self._page.read()
        await loop.run_in_executor(self._loader, self._versions.follow, tuple(table.values()))
        ready, refused = self._versions.ready, self._versions.refused
        said = Acknowledgement(
            pid=os.getpid(),
            life=self._settings.life,
            page_seq=seq,
            address=self._address,
            ready=tuple(sorted(f"{model}/{number}" for model, number in ready)),
            refused={f"{model}/{number}": reason for (model, number), reason in sorted(refused.items())},
        )
        self._counters.set("route_seq", seq)
        self._counters.set("routes_torn", self._page.torn)
        self._counters.set("versions_ready", len(ready))
        self._counters.set("versions_refused", len(refused))
        folder = places.acknowledgements(self._state)
        await loop.run_in_executor(self._loader, acknowledge.write, folder, self._settings.slot, said)
        self._followed = seq

    def close(self) -> None:
        """Finish labels and shadows that are under way, seal the log and give the slot free."""
        self.app.close()
        self._endpoints.close()
        self._shadows.close(self._settings.grace)
        self._log.close()
        if self._counting is not None:
            self._counting.close()
        self._counters.close()
        self._loader.shutdown(wait=False, cancel_futures=True)

    async def _watch(self, server: uvicorn.Server) -> None:
        """Follow the page, turn the log over at midnight, and notice when the supervisor is gone."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            parent = self._settings.parent
            if parent and os.getppid() != parent:
                LOG.warning("action=stop reason='the supervisor is gone'")
                server.should_exit = True
                return
            try:
                self._log.turn(self._clock.now())
                await self._store_counts()
                self._counters.set("in_flight", self._hot.in_flight)
                self._counters.set("queued_rows", self._endpoints.queued())
                if self._page.seq() != self._followed:
                    await self.follow()
            except Exception:
                # Whatever fails here (a full disk, a damaged file) must not stop the answers; it is tried again.
                LOG.exception("action=follow")
                await asyncio.sleep(1.0)

    async def _store_counts(self) -> None:
        """Write what was counted, from time to time, by a thread."""
        if self._counting is not None and self._counting.due():
            files = self._counting.changed()
            await asyncio.get_running_loop().run_in_executor(self._loader, granules.store, files)


def _counting(settings: WorkerSettings) -> granules.Counting | None:
    if not settings.profiles:
        return None
    folder = places.profiles(Path(settings.state))
    masked = [name for name, rule in settings.log.fields if rule != KEEP]
    return granules.Counting(folder, f"w{settings.slot}", life=settings.life, masked=masked)


def _stop_on_signals(server: uvicorn.Server) -> None:
    """Turn SIGTERM and SIGINT into a clean end.

    uvicorn sends itself the signal again once it has stopped; without a handler of ours that would end the process
    before the log is sealed.
    """

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _listener(settings: WorkerSettings) -> socket.socket:
    if settings.listener is not None:
        return socket.socket(fileno=settings.listener)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(2048)
    return listener


def _config(app: Application, protocol: type[FastProtocol], settings: WorkerSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  (the same messages, typed more narrowly)
        http=protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(settings.grace)),
        backlog=2048,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.private_key,
    )
