"""What the monitor remembers: every finding, and the episodes they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields
from datetime import datetime
from typing import Any

from detent.records.event import Fact
from detent.records.finding import Episode, Finding
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.monitor")


def save_findings(
    tx: Transaction, findings: Sequence[Finding], *, endpoint: str, version: int | None, actor: str, now: datetime
) -> None:
    """Append the findings of one look and write them to the ledger as one event, `window.judged`, if there are any."""
    if not findings:
        return
    for finding in findings:
        told = asdict(finding) | {"severe": int(finding.severe)}
        if finding.version is None:
            told["version"] = version
        tx.execute(_SQL["save_finding"], endpoint=endpoint, found_at=iso(now), **told)
    payload = {"version": version, "findings": [_told(finding) for finding in findings]}
    ledger.append(tx, Fact(kind="window.judged", subject=f"endpoint:{endpoint}", actor=actor, payload=payload), now)


def findings(reader: Reader, endpoint: str, *, kind: str | None = None, since: datetime | None = None) -> list[Finding]:
    """Return stored findings in order of their windows; `since` keeps windows that end later than it."""
    rows = reader.rows(_SQL["findings"], endpoint=endpoint, kind=kind, since=None if since is None else iso(since))
    return [Finding(**{**row, "severe": bool(row["severe"])}) for row in rows]


def _told(finding: Finding) -> dict[str, Any]:
    """Return a finding as the ledger has it: without what it does not say."""
    unsaid = {field.name: field.default for field in fields(finding) if field.default is not MISSING}
    return {name: value for name, value in asdict(finding).items() if name not in unsaid or value != unsaid[name]}


def save_episodes(tx: Transaction, episodes: Sequence[Episode], *, endpoint: str, actor: str, now: datetime) -> None:
    """Store episodes by key and opening time, and write `episode.opened` or `episode.closed` where that happened."""
    known = {(row["key"], row["opened_at"]): row["state"] for row in tx.rows(_SQL["open_episodes"], endpoint=endpoint)}
    for episode in episodes:
        before = known.get((episode.key, episode.opened_at))
        tx.execute(_SQL["save_episode"], endpoint=endpoint, **asdict(episode))
        if before is None or before != episode.state:
            verb = "opened" if before is None else "closed"
            fact = Fact(
                kind=f"episode.{verb}", subject=f"endpoint:{endpoint}", actor=actor,
                payload={"key": episode.key, "severity": episode.severity, "opened_at": episode.opened_at},
            )  # fmt: skip
            ledger.append(tx, fact, now)


def open_episodes(reader: Reader, endpoint: str) -> list[Episode]:
    """Return the open episodes of an endpoint, in order of keys."""
    return [Episode(**row) for row in reader.rows(_SQL["open_episodes"], endpoint=endpoint)]


def all_episodes(reader: Reader, endpoint: str) -> list[Episode]:
    """Return every episode of an endpoint, oldest first."""
    return [Episode(**row) for row in reader.rows(_SQL["all_episodes"], endpoint=endpoint)]
