from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detent.monitor import advance, all_episodes, findings, open_episodes, save_episodes, save_findings
from detent.records.finding import Finding
from detent.store import ledger
from detent.store.database import open_database
from detent.store.migrate import migrate

T0 = datetime(2013, 3, 1, tzinfo=UTC)
FINDING = Finding(
    kind="drift", severity="WARNING", column="temp", statistic="psi", value=0.3, low=None, high=0.5, threshold=0.1,
    rows=500, window_start="2013-02-28T00:00:00.000000+00:00", window_end="2013-03-01T00:00:00.000000+00:00",
    message="`temp` has moved.", version=3, severe=True, scale=7, importance=0.2, slice="origin=JFK",
)  # fmt: skip
QUALITY = replace(FINDING, kind="quality", column=None, statistic="roc_auc", severity="INFO")
KEY = {"endpoint": "flights", "actor": "test"}


@pytest.fixture
def db(tmp_path):
    database = open_database(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.monitor"])
    yield database
    database.close()


def test_findings_come_back_as_they_were_and_are_one_event_in_the_ledger(db):
    with db.transaction() as tx:
        save_findings(tx, [FINDING, QUALITY], version=3, now=T0, **KEY)
        save_findings(tx, [], version=3, now=T0, **KEY)
    assert findings(db, "flights") == [FINDING, QUALITY]
    assert findings(db, "flights", kind="quality") == [QUALITY]
    assert findings(db, "other") == []
    (event,) = ledger.read(db)
    assert (event.kind, event.subject) == ("window.judged", "endpoint:flights")
    assert [found["statistic"] for found in event.payload["findings"]] == ["psi", "roc_auc"]


def test_findings_are_filtered_by_the_end_of_their_window(db):
    later = replace(FINDING, window_end="2013-03-02T00:00:00.000000+00:00")
    with db.transaction() as tx:
        save_findings(tx, [later, FINDING], version=None, now=T0, **KEY)
    assert findings(db, "flights") == [FINDING, later]
    assert findings(db, "flights", since=T0) == [later]


def test_an_episode_is_kept_through_its_life_and_its_turns_are_in_the_ledger(db):
    episodes = []
    for day, found in enumerate([[FINDING], [replace(FINDING, severity="CRITICAL")], [], [], [], [FINDING]]):
        now = T0 + timedelta(days=day)
        with db.transaction() as tx:
            episodes, _ = advance(open_episodes(tx, "flights"), found, now)
            save_episodes(tx, episodes, now=now, **KEY)
    stored = all_episodes(db, "flights")
    assert [(episode.state, episode.severity) for episode in stored] == [("closed", "CRITICAL"), ("open", "WARNING")]
    assert open_episodes(db, "flights") == stored[1:] == episodes
    assert [event.kind for event in ledger.read(db)] == ["episode.opened", "episode.closed", "episode.opened"]


def test_endpoints_do_not_share_episodes(db):
    with db.transaction() as tx:
        for endpoint in ("flights", "other"):
            save_episodes(tx, advance([], [FINDING], T0)[0], endpoint=endpoint, actor="test", now=T0)
    assert len(open_episodes(db, "flights")) == len(open_episodes(db, "other")) == 1
