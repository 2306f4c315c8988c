"""Who works on a cache key: one owner at a time, and one that is late can't commit.

A lease has a token that grows with every owner. The commit compares it, so an owner that was taken for dead (stopped
by the system, cut off) and comes back finds its token outdated. Times are of the machine's own clock, never of a
virtual one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from detent.errors import DetentError
from detent.pipeline import store
from detent.pipeline.repeat import Repeater
from detent.store.database import Database, Transaction

SECONDS = 30.0  # a lease that is not renewed for so long is free
RENEWAL = 8.0  # seconds between renewals
_renewals = Repeater(lambda: RENEWAL, name="detent-lease")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on a key."""

    key: str
    token: int


def try_lease(tx: Transaction, key: str) -> Lease | None:
    """Take the lease of a key if it is free, or if its owner is dead; None while another one works."""
    held = store.find_lease(tx, key)
    if held is not None and held.owner and held.expires > time.time() and is_alive(held.owner):
        return None
    token = store.take_lease(tx, key, owner=owner_name(os.getpid()), expires=time.time() + SECONDS)
    return Lease(key=key, token=token)


def is_held(tx: Transaction, lease: Lease) -> bool:
    """True while nobody else has taken the key over; ask in the transaction that commits."""
    held = store.find_lease(tx, lease.key)
    return held is not None and held.token == lease.token


def is_alive(owner: str) -> bool:
    """False when an owner on this machine is surely dead; owners elsewhere are judged by their lease's time alone."""
    host, boot, number, started = owner.split("/")
    here, this_boot = _here()
    if host != here:
        return True
    return boot == this_boot and _started(int(number)) == started


def owner_name(process: int) -> str:
    """Return what names a process for good: a process number alone is used again, also after a restart."""
    return "/".join([*_here(), str(process), _own_start() if process == os.getpid() else _started(process)])


@cache
def _here() -> tuple[str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return socket.gethostname().replace("/", "-"), boot.read_text().strip() if boot.is_file() else ""


def _started(process: int) -> str:
    """Return when a process began, in the kernel's ticks; "" when it is gone or is only waiting to be collected."""
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


@cache
def _own_start() -> str:
    """Return when this process began; asked for several times in each step."""
    return _started(os.getpid())


os.register_at_fork(after_in_child=_own_start.cache_clear)


def renewed(
    lease: Lease, connect: Callable[[], contextlib.AbstractContextManager[Database]]
) -> contextlib.AbstractContextManager[None]:
    """Renew a lease in the background while the block runs, through what `connect` (`Database.beside`) gives."""
    return _renewals.calling(lambda: _renew(lease, connect))


def _renew(lease: Lease, connect: Callable[[], contextlib.AbstractContextManager[Database]]) -> None:
    # Busy or away: the next time is early enough.
    with contextlib.suppress(DetentError), connect() as db, db.transaction() as tx:
        store.renew_lease(tx, lease.key, token=lease.token, expires=time.time() + SECONDS)
