"""A host with a controller takes what the others answered into its own log, where every reader counts it.

A parcel is taken once: its rows are on the disk before that is stored, and where a crash comes in between, the rows are
the same ones (id, arm, version) and are read once. A parcel that is refused, or whose blob is gone, is set aside: that
is told, those after it are taken, and it is tried again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from detent.errors import DetentError, RefusedError, StoreError, TamperedError
from detent.loop.hosts.heard import Heard
from detent.loop.hosts.publish import AWAY_SECONDS
from detent.loop.hosts.setting_aside import (
    AGAIN,
    LOST,
    aside_of,
    counts_file,
    fact_of,
    gap_of,
    replace_older,
    set_aside,
    taken_after_all,
)
from detent.loop.workspace import Workspace
from detent.predictions import pack, parcels, places
from detent.predictions.pack import Contents
from detent.predictions.parcels import Parcel, Sent
from detent.predictions.parcels_aside import ParcelAside, parcels_aside, set_parcel_aside
from detent.serving import hosts
from detent.serving.hosts import Host
from detent.serving.identifiers import load_or_create_key
from detent.serving.places import prediction_key, profiles
from detent.serving.predict.granules import store
from detent.store.atomic import sync_folder, unwritable
from detent.store.clock import iso, parse
from detent.store.segments import SegmentWriter

SEGMENT_BYTES = 4 << 20
LATE = timedelta(seconds=60)  # rows older than that when they come may have been left out of a count
PATIENCE = timedelta(seconds=60)  # a host that lives and sends nothing keeps windows waiting for so long
GIVEN_UP = timedelta(hours=1)  # after which a blob that is not there is taken for lost
FORGOTTEN = timedelta(days=1)  # a host that said nothing for so long is not missed in windows
_ENROLLED_SECONDS = 3600.0


class Taking:
    """Takes what other hosts sent. Keep one per controller; nothing is opened before the first call."""

    def __init__(self, ws: Workspace, *, tell: Callable[[str], None]) -> None:
        self._ws, self._tell = ws, tell
        self._writers: dict[int, tuple[SegmentWriter, date]] = {}
        self._beats: dict[str, tuple[int, float]] = {}
        self._heard_of: dict[str, tuple[str, float]] = {}
        self._enrolled = float("-inf")
        self._said = ""
        self._late = False  # told with the next answer, also when a fault comes in between

    def take(self) -> Heard:
        """Take everything that was sent and return how far the other hosts' answers are here.

        Raises:
            StoreError: the database or this host's disk fails; what was not taken is taken later.
        """
        ws = self._ws
        own = hosts.own_id(ws.state)
        self._enrol(own)
        known = {one.host: one for one in hosts.hosts(ws.db, ws.project.serving.endpoint) if one.host != own}
        sent = parcels.all_sent(ws.db)  # before the parcels are listed: these are at least the ones that it tells of
        waiting = parcels.waiting_for(ws.db, own)
        stuck = dict[str, str]()
        for host in dict.fromkeys(one.host for one in waiting):
            mine = [one for one in waiting if one.host == host]
            self._take_from(known.get(host), own, mine, stuck)
        aside = self._try_again(parcels_aside(ws.db, own), known)
        self._turn()
        self._let_go()
        heard = self._heard(list(known.values()), sent, stuck)
        late, self._late = self._late, False
        return replace(heard, late=late, gaps=tuple(gap_of(one) for one in aside))

    def _take_from(self, host: Host | None, own: str, waiting: Sequence[Parcel], stuck: dict[str, str]) -> None:
        """Take the parcels of one host in order, up to one that can't be had now."""
        ws, sender = self._ws, waiting[0].host
        before = last = parcels.taken_by(ws.db, own).get(sender, 0)
        name = _name(host) if host is not None else f"host {sender[:8]}"
        bad = list[ParcelAside]()
        for one in waiting:
            if last and one.number > last + 1:
                self._lost(name, f"parcels {last + 1} to {one.number - 1}", "they were removed before they were taken")
            try:
                contents = self._fetched(host, one)
            except (RefusedError, FileNotFoundError) as error:
                bad.append(aside_of(own, name, one, why=_why(error), now=ws.now()))
            except StoreError as error:
                stuck[sender] = one.since
                self._say(f"what {name} sent can't be read yet: {error.what} ({error.why})")
                break
            else:
                assert host is not None
                self._late = self._late or ws.now() - parse(one.since) > LATE
                self._land(host, contents)
            last = one.number
        if last != before:
            self._sync()
            with ws.db.transaction() as tx:
                parcels.mark_taken(tx, own, sender, last)
                set_aside(ws, tx, bad)
            for one in bad:
                self._tell(f"parcel {one.parcel.number} of {name} is set aside: {one.why}")

    def _try_again(self, aside: Sequence[ParcelAside], known: Mapping[str, Host]) -> list[ParcelAside]:
        """Take what was set aside and can be had by now; return what still is."""
        ws, still = self._ws, list[ParcelAside]()
        for one in aside:
            if parse(one.again_at) > ws.now():
                still.append(one)
                continue
            host = known.get(one.parcel.host)
            try:
                contents = self._fetched(host, one.parcel)
            except (RefusedError, FileNotFoundError, StoreError) as error:
                still.append(again := replace(one, why=_why(error), again_at=iso(ws.now() + AGAIN)))
                with ws.db.transaction() as tx:
                    set_parcel_aside(tx, again)
                continue
            assert host is not None
            self._land(host, replace_older(contents, profiles(ws.state), places.landed(host.number)))
            self._sync()
            self._late = True
            with ws.db.transaction() as tx:
                taken_after_all(ws, tx, one)
            self._tell(f"parcel {one.parcel.number} of {one.name} is taken, which had been set aside")
        return still

    def _fetched(self, host: Host | None, one: Parcel) -> Contents:
        """Return what is in a parcel, checked.

        Raises:
            TamperedError: it is damaged, or no host of this project made it.
            FileNotFoundError: it is gone for good.
            StoreError: it can't be had now.
        """
        if host is None:
            raise StoreError(what="the host is not enrolled", why="its row is gone", fix="it enrols itself again")
        if not one.is_genuine(load_or_create_key(prediction_key(self._ws.state))):
            raise TamperedError(
                what=f"parcel {one.number} is forged",
                why="no host with this project's secret has made it",
                fix="find out who writes into the database",
            )
        try:
            return pack.decode(self._ws.blobs.get(one.digest))
        except StoreError as error:
            if self._ws.now() - parse(one.until) > GIVEN_UP and not self._ws.blobs.has(one.digest):
                raise FileNotFoundError(error.why) from error
            raise

    def _land(self, host: Host, contents: Contents) -> None:
        """Write rows and counts of another host beside those of this one."""
        ws = self._ws
        if contents.frames:
            self._writer(host.number).append(contents.frames)
        files: dict[Path, bytes] = {}
        for name, data in contents.counts.items():
            files[counts_file(profiles(ws.state), name, places.landed(host.number))] = data
        store(files)

    def _writer(self, number: int) -> SegmentWriter:
        known = self._writers.get(number)
        if known is None:
            writer = SegmentWriter(places.segments(self._ws.state), places.landed(number), max_bytes=SEGMENT_BYTES)
            known = self._writers[number] = (writer, self._ws.now().date())
        return known[0]

    def _sync(self) -> None:
        """Bring what was taken to the disk: whoever sent it removes it now."""
        try:
            for writer, _ in self._writers.values():
                if writer.descriptor >= 0:
                    os.fsync(writer.descriptor)
            folder = places.segments(self._ws.state)
            if folder.is_dir():
                sync_folder(folder)
        except OSError as error:
            raise unwritable(places.segments(self._ws.state), error) from error

    def _turn(self) -> None:
        """Finish the segments of days that are over, so that they can move to Parquet."""
        today = self._ws.now().date()
        for number, (writer, day) in list(self._writers.items()):
            if day != today:
                writer.turn()
                del self._writers[number]

    def _let_go(self) -> None:
        """Remove the parcels that everybody has."""
        ws = self._ws
        done = parcels.delivered(ws.db)
        try:
            for one in done:
                ws.blobs.delete(one.digest)
        except StoreError as error:  # it waits; no decision does
            self._say(f"what was taken can't be removed: {error.what} ({error.why})")
            return
        if done:
            with ws.db.transaction() as tx:
                parcels.remove(tx, done)

    def _enrol(self, own: str) -> None:
        if time.monotonic() - self._enrolled > _ENROLLED_SECONDS:
            with self._ws.db.transaction() as tx:
                parcels.enrol_taker(tx, own, self._ws.now())
            self._enrolled = time.monotonic()

    def _heard(self, known: Sequence[Host], sent: Mapping[str, Sent], stuck: Mapping[str, str]) -> Heard:
        now = until = self._ws.now()
        found, silent = list[tuple[str, datetime]](), list[str]()
        for host in known:
            if host.state == hosts.GONE or now - parse(host.seen) > FORGOTTEN:
                continue
            text = min(sent.get(host.host, Sent()).until, stuck.get(host.host, "9"))
            heard, lives = parse(text), self._lives(host)
            found.append((_name(host), heard))
            if self._is_silent(host, text) and lives:
                silent.append(_name(host))
            if lives and now - heard <= PATIENCE:
                until = min(until, heard)
        return Heard(until=until, hosts=tuple(found), silent=tuple(silent))

    def _lives(self, host: Host) -> bool:
        """Tell whether a host has said something lately, by our own clock."""
        beat, since = self._beats.setdefault(host.host, (host.beat, time.monotonic()))
        if beat != host.beat:
            self._beats[host.host] = (host.beat, time.monotonic())
            return True
        return host.state != hosts.AWAY and time.monotonic() - since < AWAY_SECONDS

    def _is_silent(self, host: Host, until: str) -> bool:
        """Tell whether a host has sent nothing for long: where it has nothing to send, it says so."""
        said, since = self._heard_of.setdefault(host.host, (until, time.monotonic()))
        if said != until:
            self._heard_of[host.host] = (until, time.monotonic())
            return False
        return time.monotonic() - since > PATIENCE.total_seconds()

    def _lost(self, name: str, what: str, why: str) -> None:
        """Say that answers of a host can't be counted."""
        self._tell(f"answers of {name} are lost ({what}): {why}")
        self._ws.record(fact_of(self._ws, LOST, host=name, what=what, why=why))

    def _say(self, text: str) -> None:
        if text != self._said:
            self._tell(text)
        self._said = text


def _name(host: Host) -> str:
    return f"host {host.number} ({host.name})"


def _why(error: Exception) -> str:
    return error.why if isinstance(error, DetentError) else str(error)
