"""How far a host follows the shared database, as gauges that its processes show on `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detent.store.atomic import unique_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was seen at the last look."""

    up: bool = False  # did the database answer
    seen: float = 0.0  # when it last did, seconds since 1970
    published: int = 0  # number of the route that it names
    followed: int = 0  # number of the route whose versions this host has tried to load
    refused: int = 0  # versions of it that this host does not load


def write_gauges(path: Path, standing: Standing) -> None:
    """Replace the file. It is not synced: after a crash it is written anew within a second.

    Raises:
        OSError: the disk is full.
    """
    lines = [
        *_gauge("detent_following_up", "Whether the shared database answered at the last look.", int(standing.up)),
        *_gauge("detent_following_seen_timestamp_seconds", "When the shared database last answered.", standing.seen),
        *_gauge("detent_following_published_seq", "Number of the route that all hosts follow.", standing.published),
        *_gauge("detent_following_seq", "Number of the route that this host has followed.", standing.followed),
        *_gauge("detent_following_refused", "Versions of it that this host does not load.", standing.refused),
    ]
    draft = path.with_name(unique_name())
    draft.write_text("\n".join([*lines, ""]))
    draft.replace(path)


def _gauge(name: str, text: str, value: float) -> tuple[str, str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {value}"
