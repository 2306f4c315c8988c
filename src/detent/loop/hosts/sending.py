"""A host sends what it answered to the hosts with a controller: rollouts and monitors count every answer.

Rows are copied from the log's files after they were written: answers wait for none of it. Nothing is sent while no
other host needs it, and while somebody else is away, what is sent and not yet taken is bounded like the log itself.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from detent.errors import DetentError, StoreError
from detent.loop.workspace import ServingHost, Workspace
from detent.predictions import pack, parcels, places
from detent.predictions.parcels import Parcel, Sent
from detent.serving import hosts
from detent.serving.identifiers import load_or_create_key
from detent.serving.pages.routes import RoutePage
from detent.serving.places import prediction_key, profiles, route_page
from detent.store.clock import iso, parse

QUICK_SECONDS = 1.0  # between two looks at the log while versions are compared
EASY_SECONDS = 5.0  # between two looks else


class Sending:
    """A thread that sends this host's log. Enter it before the serving processes start, and leave it after they ended.

    Args:
        ws: the project.
        tell: shows one line to whoever watches.
        keeps: this host moves its log to Parquet itself, because it has a controller; else what was sent is removed.
    """

    def __init__(self, ws: Workspace | ServingHost, *, tell: Callable[[str], None], keeps: bool) -> None:
        self._ws, self._tell, self._keeps = ws, tell, keeps
        self._host, self._endpoint = hosts.own_id(ws.state), ws.project.serving.endpoint
        self._key = load_or_create_key(prediction_key(ws.state))
        log = places.segments(ws.state)
        self._sources = pack.Sources(log=log, outgoing=places.outgoing(log), counts=profiles(ws.state))
        self._page = RoutePage(route_page(ws.state))
        self._fault = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="send", daemon=True)

    def __enter__(self) -> Sending:
        self._safely()  # from now on it is known that this host sends
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Send what is left, and end. Call it when the serving processes have ended; may be called twice."""
        self._stop.set()
        self._thread.join()
        self._safely()

    def send(self) -> int:
        """Send everything that was logged up to now; return how many frames of the log were sent.

        Raises:
            StoreError: the database or the blobs can't be reached, or what others have not taken yet is too much. What
                was not sent is sent later.
        """
        ws, count = self._ws, 0
        if not parcels.is_needed(ws.db, self._host):
            if self._keeps:
                shutil.rmtree(self._sources.outgoing, ignore_errors=True)
            return 0
        if self._keeps:
            self._sources.outgoing.mkdir(parents=True, exist_ok=True)
        while True:
            sent, more = self._send_next()
            count += sent
            if not more:
                return count

    def _send_next(self) -> tuple[int, bool]:
        """Send one parcel; return how many frames are in it, and whether something is left."""
        ws, before = self._ws, parcels.sent_of(self._ws.db, self._host)
        most = ws.project.serving.log.max_bytes
        if parcels.waiting_bytes(ws.db, self._host) >= most:
            removed = pack.trim(self._sources.outgoing, most)
            raise _full(removed)
        now = iso(ws.now())  # before the files are read: what was written before it is in them
        found = pack.pack(self._sources, before.positions)
        after = Sent(number=before.number, until=before.until if found.more else now, positions=found.positions)
        parcel = None
        if not found.empty:
            parcel = self._parcel(found, before, now)
            after = replace(after, number=parcel.number)
        elif not self._is_due(before):
            return 0, False
        with ws.db.transaction() as tx:
            stored = parcels.send(tx, self._host, before, after, parcel)
        if stored:
            pack.clear(self._sources, after.positions, keeps=self._keeps)
            if not self._keeps:
                pack.forget_counts(self._sources, after.positions, ws.now().date())
        return len(found.contents.frames), found.more and stored

    def _parcel(self, found: pack.Pack, before: Sent, now: str) -> Parcel:
        data, number = pack.encode(found.contents), before.number + 1
        digest = self._ws.blobs.put(data)  # durable before anybody hears of it
        return Parcel(
            host=self._host, number=number, digest=digest, bytes=len(data),
            mac=parcels.mac_of(self._key, self._host, number, digest), since=min(before.until, now), until=now,
        )  # fmt: skip

    def _is_due(self, before: Sent) -> bool:
        """Tell whether to say that nothing was answered, which windows wait for."""
        return (self._ws.now() - parse(before.until)).total_seconds() >= EASY_SECONDS

    def _run(self) -> None:
        while not self._stop.wait(QUICK_SECONDS if self._compared() else EASY_SECONDS):
            self._safely()

    def _compared(self) -> bool:
        """Tell whether versions are compared at this moment."""
        try:
            route = self._page.read()[1].get(self._endpoint)
        except DetentError:  # whoever answers from it says so
            return True
        return route is not None and (len(route.arms) > 1 or bool(route.shadows))

    def _safely(self) -> None:
        try:
            self.send()
        except (DetentError, OSError) as error:
            what = error.what if isinstance(error, DetentError) else str(error)
            if self._fault != what:
                self._fault = what
                self._tell(f"sending the log to other hosts failed, it is tried again: {what}")
        else:
            if self._fault:
                self._tell("the log is sent to other hosts again")
            self._fault = ""


def _full(removed: int) -> StoreError:
    gone = f"; {removed} of the oldest segments were given up for them" if removed else ""
    return StoreError(
        what="other hosts do not take what this one sends",
        why=f"as many bytes as `serving.log.max_bytes` allows wait for them{gone}",
        fix="start `detent up` where it ran; what it needs is kept here until then",
    )
