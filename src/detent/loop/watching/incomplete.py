"""Windows that were judged before the answers of all hosts were here, and are judged once more when these come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from detent.loop.hosts.heard import Heard

KEPT = 28  # windows that late answers may re-open, the newest ones
AT_ONCE = 4  # of them in one look, so that what is decided now does not wait for what was

Lacking = Mapping[datetime, tuple[str, ...]]  # start of a window -> hosts whose answers were missing in it


def came_in(lacking: Lacking, heard: Heard, window: timedelta) -> dict[datetime, tuple[str, ...]]:
    """Return the windows of which missing answers are here now, oldest first, each with the hosts that they are of."""
    found = dict[datetime, tuple[str, ...]]()
    for start in sorted(lacking):
        came = tuple(host for host in lacking[start] if heard.has(host, start, start + window))
        if came:
            found[start] = came
        if len(found) == AT_ONCE:
            break
    return found


def without(lacking: Lacking, start: datetime, came: Sequence[str]) -> dict[datetime, tuple[str, ...]]:
    """Return what is still lacking when the answers of some hosts have come into one window."""
    left = tuple(host for host in lacking.get(start, ()) if host not in came)
    rest = {begin: hosts for begin, hosts in lacking.items() if begin != start}
    return {**rest, start: left} if left else rest


def newest(lacking: Lacking) -> dict[datetime, tuple[str, ...]]:
    """Return the windows that may still be judged again."""
    return {start: lacking[start] for start in sorted(lacking)[-KEPT:]}
