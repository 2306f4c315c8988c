"""Which versions of a dataset are kept, and why; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.data.versions.version import Version
from detent.store.clock import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much is kept. A version stays when any of the rules says so; without `last` and `days`, all stay."""

    last: int | None = None  # newest versions of each dataset
    days: float | None = None  # versions younger than this
    run_days: float = 30.0  # runs, candidates and cached results younger than this


def kept(history: Sequence[Version], tags: Mapping[str, str], *, rule: Retention, now: datetime) -> dict[str, str]:
    """Return the ids of a dataset's versions that stay, each with the reason; `history` is oldest first."""
    reasons: dict[str, str] = {}
    tagged = {id: tag for tag, id in sorted(tags.items(), reverse=True)}
    for back, version in enumerate(reversed(history)):
        if version.id in reasons:
            continue
        if version.id in tagged:
            reasons[version.id] = f"tag {version.dataset}@{tagged[version.id]}"
        elif back == 0:
            reasons[version.id] = f"newest version of {version.dataset}"
        elif rule.last is None and rule.days is None:
            reasons[version.id] = f"versions of {version.dataset}"
        elif rule.last is not None and back < rule.last:
            reasons[version.id] = f"newest {rule.last} versions of {version.dataset}"
        elif rule.days is not None and now - parse(version.created) < timedelta(days=rule.days):
            reasons[version.id] = f"versions of {version.dataset} of the last {rule.days:g} days"
    return reasons
