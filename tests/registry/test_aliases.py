from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detent.errors import RefusedError
from detent.records.version import AliasChange
from detent.registry import aliases
from detent.store import ledger
from detent.store.database import Database

from .test_versions import events, register

HOUR = timedelta(hours=1)


def point(db: Database, now: datetime, alias: str, number: int | None) -> AliasChange | None:
    with db.transaction() as tx:
        return aliases.set_alias(
            tx, model="risk", alias=alias, number=number, actor="cli:ann", reason="a test", now=now
        )


@pytest.fixture
def versions(db: Database, now: datetime) -> Database:
    for letter in "abc":
        register(db, now, letter)
    return db


def test_an_alias_points_to_the_last_version_it_was_given(versions: Database, now: datetime) -> None:
    assert aliases.current(versions, "risk", "champion") is None
    for number in (1, 3, 2):
        point(versions, now, "champion", number)
    point(versions, now, "challenger", 3)
    assert aliases.current(versions, "risk", "champion") == 2
    assert aliases.all_current(versions, "risk") == {"challenger": 3, "champion": 2}
    assert aliases.current(versions, "other", "champion") is None


def test_every_past_moment_can_be_asked_for(versions: Database, now: datetime) -> None:
    for hours, number in ((1, 1), (2, 2), (3, None), (4, 3)):
        point(versions, now + hours * HOUR, "challenger", number)
    asked = [aliases.at(versions, "risk", "challenger", now + hours * HOUR) for hours in (0, 1, 1.5, 2, 3.5, 4, 99)]
    assert asked == [None, 1, 1, 2, None, 3, 3]


def test_history_keeps_who_when_and_why_and_the_ledger_has_each_change(versions: Database, now: datetime) -> None:
    point(versions, now, "champion", 1)
    change = point(versions, now + HOUR, "champion", 2)
    assert aliases.history(versions, "risk")[-1] == change
    assert change is not None
    assert (change.number, change.actor, change.reason) == (2, "cli:ann", "a test")
    event = list(ledger.read(versions))[-1]
    assert (event.kind, event.payload["before"], event.payload["number"]) == ("alias.changed", 1, 2)


def test_pointing_where_it_points_already_writes_nothing(versions: Database, now: datetime) -> None:
    point(versions, now, "champion", 1)
    before = len(events(versions))
    assert point(versions, now, "champion", 1) is None
    assert point(versions, now, "challenger", None) is None
    assert len(events(versions)) == before


@pytest.mark.parametrize("alias", ["champion", "challenger", "anything"])
def test_no_alias_points_to_a_version_that_was_never_registered(versions: Database, now: datetime, alias: str) -> None:
    with pytest.raises(RefusedError, match="no version 4"):
        point(versions, now, alias, 4)
    assert aliases.history(versions, "risk") == []


def test_the_champion_can_be_moved_but_not_taken_away(versions: Database, now: datetime) -> None:
    point(versions, now, "champion", 1)
    with pytest.raises(RefusedError, match="can't be taken away"):
        point(versions, now, "champion", None)
    assert aliases.current(versions, "risk", "champion") == 1


@pytest.mark.parametrize("alias", ["", "v1", "latest", "a b", "../x", "Champion", "x" * 64])
def test_names_that_look_like_something_else_are_no_aliases(versions: Database, now: datetime, alias: str) -> None:
    with pytest.raises(RefusedError, match="can't be an alias"):
        point(versions, now, alias, 1)


def test_a_clock_that_was_set_back_does_not_reorder_history(versions: Database, now: datetime) -> None:
    point(versions, now + 2 * HOUR, "champion", 1)
    point(versions, now, "champion", 2)
    assert aliases.at(versions, "risk", "champion", now + 2 * HOUR) == 2
    times = [change.at for change in aliases.history(versions, "risk")]
    assert times == sorted(times)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["challenger", "canary"]), st.sampled_from([1, 2, 3, None])), max_size=12)
)
def test_current_is_what_a_replay_of_history_gives(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    from detent.store.clock import parse
    from detent.store.database import open_database
    from detent.store.migrate import migrate

    db = open_database(tmp_path_factory.mktemp("aliases") / "x.db")
    migrate(db, ["detent.store", "detent.registry"])
    now, expected = parse("2013-03-01"), {}
    for letter in "abc":
        register(db, now, letter)
    for hours, (alias, number) in enumerate(steps):
        point(db, now + hours * HOUR, alias, number)
        expected[alias] = number
    replayed = {change.alias: change.number for change in aliases.history(db, "risk")}
    assert {a: n for a, n in replayed.items() if n} == {a: n for a, n in expected.items() if n}
    assert aliases.all_current(db, "risk") == {a: n for a, n in sorted(expected.items()) if n}
    db.close()
