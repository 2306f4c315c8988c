"""Read stored blobs again, move the damaged ones aside, and remove what killed writers left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from detent.errors import StoreError
from detent.store.blobs.protocol import Blobs

LEFT_SECONDS = 86_400.0  # age from which a hidden file is taken for a killed writer's; living ones hold theirs anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubReport:
    """What a scrub found."""

    checked: int  # blobs that were read
    bytes: int  # bytes that were read
    damaged: tuple[str, ...]  # digests of blobs that were moved aside now
    unreadable: tuple[tuple[str, str], ...]  # (digest, why): can't be read, or is damaged and can't be moved
    quarantined: tuple[str, ...]  # every digest in quarantine, those of earlier scrubs too
    leftovers: int  # hidden files that were removed

    @property
    def clean(self) -> bool:
        """True when everything that was looked at is whole."""
        return not self.damaged and not self.unreadable


def scrub(
    blobs: Blobs,
    share: float = 1.0,
    *,
    part: int = 0,
    left_seconds: float = LEFT_SECONDS,
    tell: Callable[[int], None] | None = None,
) -> ScrubReport:
    """Hash blobs again and put the damaged ones in quarantine, so that they count as missing and are made again.

    `share` (0 to 1) of the blobs are read: those whose digest lies in the `part`-th piece of that size. Parts 0, 1,
    2... (for example the number of the day) cover all of them in turn. `tell` is called with the bytes read so far.

    Raises:
        ValueError: the share is not above 0 and at most 1.
        StoreError: the blobs can't be listed.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share lies above 0 and at most at 1, not at {share}")
    leftovers = blobs.sweep(older_than=left_seconds)
    checked = size = 0
    damaged: list[str] = []
    unreadable: list[tuple[str, str]] = []
    for digest in blobs.names():
        if not _is_in_part(digest, share, part):
            continue
        try:
            size += blobs.size(digest)
            if not blobs.is_whole(digest):
                blobs.quarantine(digest)
                damaged.append(digest)
        except StoreError as error:
            if not blobs.has(digest):
                continue  # it was removed meanwhile
            unreadable.append((digest, error.why))
        checked += 1
        if tell is not None:
            tell(size)
    return ScrubReport(
        checked=checked,
        bytes=size,
        damaged=tuple(damaged),
        unreadable=tuple(unreadable),
        quarantined=tuple(sorted(blobs.quarantined())),
        leftovers=leftovers,
    )


def _is_in_part(digest: str, share: float, part: int) -> bool:
    """True when the digest's place among all, 0 to 1, lies in the part; parts go around."""
    place = int(digest[:13], 16) / 16**13  # 52 bits: exact as a float
    return (place - part * share) % 1.0 < share
