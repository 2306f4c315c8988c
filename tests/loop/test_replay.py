from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from detent.bundle.codec import signature_from_json
from detent.cli.main import cli
from detent.errors import RefusedError
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.expire import due, tend
from detent.loop.releases.replay import Asked, chosen, replay
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.train import submit
from detent.loop.workspace import Workspace, open_workspace
from detent.predictions import places, read
from detent.records.log import LogPlan
from detent.records.version import ModelVersion
from detent.serving.counts.counters import Counters
from detent.serving.logs.log import PredictionLog
from detent.serving.places import counter_files
from detent.serving.rows.validate import RowReader
from detent.store import ledger
from detent.store.turns import LogRow

ROW = {"channel": "web", "category": "shoes", "price": 30.0, "discount": 0.1, "items": 2, "hour": 9, "weekday": 3}
ASKED = Asked(since=None, until=None)
ROWS = 1000


class Written:
    """A log as a worker writes it, with the champion's own answers."""

    def __init__(self, ws: Workspace, plan: LogPlan) -> None:
        self._ws, self._counters, self._closed = ws, Counters(counter_files(ws.state), 0), False
        self._log = PredictionLog(places.segments(ws.state), "w0", plan=plan, key=bytes(32), counters=self._counters)
        champion = champion_version(ws)
        assert champion is not None
        signature = signature_from_json((bundle_folder(ws, champion) / "signature.json").read_bytes())
        self._shape = self._log.shapes.of(RowReader(signature))
        self._names = [field.name for field in signature.inputs]

    def write(self, rows: int, age: timedelta, *, score: float | None = 0.25) -> None:
        at = self._ws.now() - age
        for number in range(rows):
            given = {**ROW, "price": 10.0 + number * 0.37}
            values = tuple(given.get(name) for name in self._names)
            row = LogRow(
                f"{number:020x}{int(age.total_seconds()):020x}", round(at.timestamp() * 1e6) + number, "shop", 1, 1,
                1, "live", 1.0, "", self._shape.number,
                values if self._shape.mask is None else self._shape.mask(values),
                score, "" if score is not None else "broken", 1e-5, "",
            )  # fmt: skip
            self._log.append([row], at)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._log.close()
            self._counters.close()


@pytest.fixture
def written(served: Workspace) -> Iterator[Written]:
    made = Written(served, LogPlan())
    yield made
    made.close()


def champion(ws: Workspace) -> ModelVersion:
    return chosen(ws, None, "champion")


def test_answers_failures_and_latency_stand_side_by_side(served: Workspace, written: Written) -> None:
    written.write(ROWS, timedelta(hours=1))
    written.write(3, timedelta(hours=2), score=None)
    seen: list[tuple[int, int]] = []
    done = replay(served, champion(served), ASKED, watch=lambda at, of: seen.append((at, of)))
    assert (done.version, done.logged, done.replayed) == (1, ROWS + 3, ROWS + 3)
    assert (done.errors_before, done.errors_after) == (3, 0)
    assert done.difference.rows == ROWS
    assert done.difference.changed > 0.9 * ROWS  # the log says 0.25 to everybody
    assert seen[-1] == (ROWS + 3, ROWS + 3)
    assert dict(done.seconds_before)[0.5] == pytest.approx(1e-5)
    assert 0 < dict(done.seconds_after)[0.5] < 1


def test_what_the_version_itself_answered_does_not_change(served: Workspace, written: Written) -> None:
    written.write(2, timedelta(hours=1))
    given = replay(served, champion(served), ASKED, watch=lambda at, of: None).difference.largest
    for pair in given:
        assert pair.before == 0.25
    again = replay(served, champion(served), replace(ASKED, tolerance=1.0), watch=lambda at, of: None)
    assert again.difference.changed == 0


def test_a_version_that_fails_only_in_small_calls_is_found_out(served: Workspace, written: Written) -> None:
    verdict, version = submit(served, spoiled(served, champion(served), "raising"), ingest_all(served, served.now()))
    assert version is not None, verdict.reason
    written.write(ROWS, timedelta(hours=1))
    done = replay(served, version, ASKED, watch=lambda at, of: None)
    assert done.errors_after == 0  # in calls of many rows it is as good as the original
    assert 0.1 * done.alone < done.alone_failed < 0.3 * done.alone
    assert done.error
    few = replay(served, version, replace(ASKED, limit=60), watch=lambda at, of: None)  # one call, which fails
    assert 0 < few.errors_after < 60
    assert few.difference.rows == 60 - few.errors_after


def test_the_window_and_the_limit_choose_the_newest_rows(served: Workspace, written: Written) -> None:
    written.write(10, timedelta(days=3))
    written.write(10, timedelta(hours=1))
    since = replace(ASKED, since=served.now() - timedelta(days=1))
    assert replay(served, champion(served), since, watch=lambda at, of: None).logged == 10
    done = replay(served, champion(served), replace(ASKED, limit=12), watch=lambda at, of: None)
    assert done.replayed == 12
    with pytest.raises(RefusedError, match="nothing to replay"):
        replay(served, champion(served), replace(ASKED, since=served.now()), watch=lambda at, of: None)


def test_a_window_without_rows_is_named_and_so_is_one_that_ends_before_it_begins(served: Workspace) -> None:
    now = served.now()

    def refused(since: datetime | None, until: datetime | None) -> str:
        with pytest.raises(RefusedError) as caught:
            replay(served, champion(served), replace(ASKED, since=since, until=until), watch=lambda at, of: None)
        return caught.value.why

    assert refused(now, None) == f"the log holds no prediction at all from {now:%Y-%m-%d %H:%M} UTC"
    assert refused(None, now) == f"the log holds no prediction of the window to {now:%Y-%m-%d %H:%M} UTC"
    assert "and ends at" in refused(now, now - timedelta(days=1))


def test_an_alias_that_points_nowhere_is_answered_with_those_that_do(served: Workspace) -> None:
    with pytest.raises(RefusedError) as caught:
        chosen(served, None, "champoin")
    assert caught.value.fix == "did you mean `champion`?"


@pytest.mark.parametrize(("rule", "words"), [("hash", "only hashed"), ("drop", "does not keep")])
def test_inputs_that_were_not_kept_are_the_reason_of_a_refusal(served: Workspace, rule: str, words: str) -> None:
    fields = (("price", rule),)
    made = Written(served, LogPlan(fields=fields))
    made.write(3, timedelta(hours=1))
    made.close()
    serving = replace(served.project.serving, log=LogPlan(fields=fields))
    ws = replace(served, project=replace(served.project, serving=serving))
    with pytest.raises(RefusedError, match=f"price.*{words}"):
        replay(ws, champion(ws), ASKED, watch=lambda at, of: None)


def test_the_command_prints_a_table_or_json_and_writes_nothing(served: Workspace, written: Written) -> None:
    written.write(20, timedelta(hours=1))
    written.close()
    events = ledger.count_by_kind(served.db)
    files = {path: path.read_bytes() for path in (served.state / "predictions").rglob("*") if path.is_file()}
    counts = next(counter_files(served.state).iterdir()).read_bytes()
    shown = CliRunner().invoke(cli, ["-C", served.project.folder, "replay", "--since", "1d"])
    assert shown.exit_code == 0, shown.output
    assert "20 of 20 logged predictions" in shown.output
    assert "label flips" in shown.output
    told = CliRunner().invoke(cli, ["-C", served.project.folder, "replay", "--version", "1", "--limit", "5", "--json"])
    assert json.loads(told.stdout[told.stdout.index("{") :])["replayed"] == 5
    assert ledger.count_by_kind(served.db) == events
    assert files == {path: path.read_bytes() for path in (served.state / "predictions").rglob("*") if path.is_file()}
    assert counts == next(counter_files(served.state).iterdir()).read_bytes()


def test_old_days_go_after_labels_and_judgement_and_a_dry_run_only_says_so(served: Workspace, written: Written) -> None:
    for days in (400, 200, 1):
        written.write(2, timedelta(days=days))
    written.close()
    assert due(served) is None
    yaml = Path(served.project.folder) / "detent.yaml"
    text = yaml.read_text()
    assert "workers: 2}" in text
    yaml.write_text(text.replace("workers: 2}", "workers: 2, log: {keep_days: 300}}"))
    ws = open_workspace(Path(served.project.folder))
    tend(ws)
    assert read(ws.state).height == 4
    yaml.write_text(text.replace("workers: 2}", "workers: 2, log: {keep_days: 150}}"))
    for option, height in ((["--dry-run"], 4), ([], 2)):
        said = CliRunner().invoke(cli, ["-C", served.project.folder, "expire", *option])
        assert "1 days of predictions" in said.output, said.output
        assert read(ws.state).height == height
