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
from pathlib import Path

import uvicorn
import uvloop

from detent.serving import places
from detent.serving.http.feedback import RecordLabels
from detent.serving.http.heads import Heads
from detent.serving.http.manage import Application, Public, Server
from detent.serving.http.protocol import FastProtocol
from detent.serving.http.triggers import RecordCall
from detent.serving.models.locate import Locate
from detent.serving.predict import granules
from detent.serving.workers import acknowledge
from detent.serving.workers.acknowledge import Acknowledgement
from detent.serving.workers.assemble import assemble
from detent.serving.workers.settings import WorkerSettings
from detent.serving.workers.sockets import address_of

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
    """The life of one process; what it is made of is in `parts`."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        locate: Locate | None,
        record_labels: RecordLabels | None,
        record_call: RecordCall | None = None,
    ) -> None:
        self._settings, self._state = settings, Path(settings.state)
        self.parts = assemble(settings, locate=locate, record_labels=record_labels, record_call=record_call)
        acknowledge.forget(places.acknowledgements(self._state), settings.slot)  # the slot is this process's by now
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
        app = Public(self.parts.app, hidden=frozenset(settings.hidden), origins=origins)
        protocol, managed = self._protocol(settings.fast_path), self._protocol(fast=False)
        public = _config(app, protocol, settings)
        if settings.manage_listener is None:
            protocol.process = server = Server(public, None, None)
            return server
        plain = replace(settings, certificate=None, private_key=None)
        listener = socket.socket(fileno=settings.manage_listener)
        server = Server(public, _config(self.parts.app, managed, plain), listener)
        protocol.process = managed.process = server
        return server

    def _protocol(self, fast: bool) -> type[FastProtocol]:
        """Return a class of connections, with the parts of this process."""
        parts = self.parts
        return type(
            "Connection", (FastProtocol,), {"hot": parts.hot, "keys": parts.keys, "heads": Heads(), "fast": fast}
        )

    async def follow(self) -> None:
        """Bring the versions in line with the newest routes, and say so to the supervisor."""
        loop = asyncio.get_running_loop()
        seq, table = self.parts.page.read()
        await loop.run_in_executor(self._loader, self.parts.versions.follow, tuple(table.values()))
        ready, refused = self.parts.versions.ready, self.parts.versions.refused
        said = Acknowledgement(
            pid=os.getpid(),
            life=self._settings.life,
            page_seq=seq,
            address=self._address,
            ready=tuple(sorted(f"{model}/{number}" for model, number in ready)),
            refused={f"{model}/{number}": reason for (model, number), reason in sorted(refused.items())},
        )
        self.parts.counters.set("route_seq", seq)
        self.parts.counters.set("routes_torn", self.parts.page.torn)
        self.parts.counters.set("versions_ready", len(ready))
        self.parts.counters.set("versions_refused", len(refused))
        folder = places.acknowledgements(self._state)
        await loop.run_in_executor(self._loader, acknowledge.write, folder, self._settings.slot, said)
        self._followed = seq

    def close(self) -> None:
        """Finish labels and shadows that are under way, seal the log and give the slot free."""
        self.parts.app.close()
        self.parts.endpoints.close()
        self.parts.shadows.close(self._settings.grace)
        self.parts.log.close()
        if self.parts.counting is not None:
            self.parts.counting.close()
        self.parts.counters.close()
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
                self.parts.log.turn(self.parts.clock.now())
                await self._store_counts()
                self.parts.counters.set("in_flight", self.parts.hot.in_flight)
                self.parts.counters.set("queued_rows", self.parts.endpoints.queued())
                if self.parts.page.seq() != self._followed:
                    await self.follow()
            except Exception:
                # Whatever fails here (a full disk, a damaged file) must not stop the answers; it is tried again.
                LOG.exception("action=follow")
                await asyncio.sleep(1.0)

    async def _store_counts(self) -> None:
        """Write what was counted, from time to time, by a thread."""
        if self.parts.counting is not None and self.parts.counting.due():
            files = self.parts.counting.changed()
            await asyncio.get_running_loop().run_in_executor(self._loader, granules.store, files)


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
