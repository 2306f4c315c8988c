"""Two hosts, each with a state folder and processes of its own, that share a PostgreSQL and a folder of blobs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from databases import running_server, schema_of
from detent.bundle.protocol import PredictionError
from detent.errors import RefusedError, TamperedError
from detent.loop.champion import CHAMPION, bundle_folder, champion_version
from detent.loop.hosts.open_host import open_host
from detent.loop.hosts.publish import AWAY_SECONDS
from detent.loop.releases.explain import explain
from detent.loop.releases.release import release
from detent.loop.releases.traffic import apply_route
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.scores import predictor_of
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.train import submit, train
from detent.loop.workspace import Workspace, open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.predictions import read
from detent.registry import aliases, versions
from detent.rollout import store as rollouts
from detent.serving import hosts
from detent.serving.pages import keyring
from detent.store import ledger
from detent.store.blobs.naming import name_of
from postgres_server import Server

from .conftest import REQUEST
from .host_processes import KEY, ROW, HostProcess, Load, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A project on the first host with version 1 as champion, and what it is kept in.

    Versions 2 and 3 are as good, version 4 raises on some rows.
    """

    folder: Path
    ws: Workspace
    server: Server
    said: dict[str, subprocess.CompletedProcess[str]]  # what commands printed before any host served

    def detent(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the first host."""
        return detent(self.folder, *words)

    def point(self, number: int) -> float:
        """Make a version champion, as a promotion does; return when it was committed (monotonic seconds)."""
        with self.ws.db.transaction() as tx:
            aliases.set_alias(
                tx, model="shop", alias=CHAMPION, number=number, actor="test", reason="test", now=self.ws.now()
            )
        apply_route(self.ws, NeighbourGateway(self.ws), reason="test")
        return time.monotonic()

    def cut(self) -> int:
        """Cut every connection to the database; return how many there were."""
        with psycopg.connect(self.server.address) as connection:
            return connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchall()[0][0]

    def states(self) -> dict[int, str]:
        """Return the state of each host, by number."""
        return {host.number: host.state for host in hosts.hosts(self.ws.db, "shop")}


def detent(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detent.cli.main", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def shop(_template: Path, tmp_path_factory: pytest.TempPathFactory, executor: LocalExecutor) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("first") / "shop"
    shutil.copytree(_template, folder)
    yaml = folder / "detent.yaml"
    yaml.write_text(yaml.read_text().replace("workers: 2", "workers: 1"))
    with running_server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETENT_DATABASE_URL", schema_of(server, folder))
        patch.setenv("DETENT_API_KEY", KEY)
        commands = {"first": "run", "again": "run"} | {name: name for name in ("deploy", "status", "log", "verify")}
        said = {name: detent(folder, command) for name, command in commands.items()}
        assert said["deploy"].returncode == 0, said
        for rate in ("0.05", "0.07"):
            yaml.write_text(yaml.read_text().replace("learning_rate: 0.06", f"learning_rate: {rate}"))
            outcome = train(open_workspace(folder, actor="test"), REQUEST, executor=executor)
            assert outcome.version is not None, outcome.verdict
            yaml.write_text(yaml.read_text().replace(f"learning_rate: {rate}", "learning_rate: 0.06"))
        ws = open_workspace(folder, actor="test")
        _, last = submit(ws, spoiled(ws, champion_version(ws), "raising"), ingest_all(ws, ws.now()))  # type: ignore[arg-type]
        assert last is not None
        assert last.number == 4
        yield Shop(folder=folder, ws=ws, server=server, said=said)
        ws.db.close()


@pytest.fixture(scope="module")
def elsewhere(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a second host: the project's files, two keys, and a link to the blobs."""
    folder = tmp_path_factory.mktemp("second") / "shop"
    shutil.copytree(shop.folder, folder, ignore=shutil.ignore_patterns(".detent", "data"))
    state, first = folder / ".detent", shop.folder / ".detent"
    (state / "keys").mkdir(parents=True)
    for name in ("signing.pub", "predictions.key"):
        shutil.copy(first / "keys" / name, state / "keys" / name)
    (state / "blobs").symlink_to(first / "blobs")
    return folder


@pytest.fixture(scope="module")
def both(shop: Shop, elsewhere: Path) -> Iterator[tuple[HostProcess, HostProcess]]:
    with HostProcess("up", shop.folder) as first, HostProcess("serve", elsewhere) as second:
        first.wait()
        second.wait()
        wait_until(lambda: shop.states() == {1: "serving", 2: "serving"})
        yield first, second


@pytest.fixture
def pair(shop: Shop, both: tuple[HostProcess, HostProcess]) -> Iterator[tuple[HostProcess, HostProcess]]:
    """Both hosts, with version 1 in force before and after."""
    yield both
    shop.point(1)
    wait_until(lambda: [host.version() for host in both] == [1, 1])


def test_commands_do_on_postgresql_what_they_do_on_a_file(shop: Shop) -> None:
    assert [done.returncode for done in shop.said.values()] == [0] * 6
    assert "It is version 1" in shop.said["first"].stdout
    # Not always the first: detent's own files belong to what may have changed, and somebody may be working on them.
    again = shop.said["again"].stdout
    assert "Nothing changed since run-0001" in again or "was judged in run-0001" in again
    assert "version 1 answers 100 %" in shop.said["status"].stdout
    assert "route.changed" in shop.said["log"].stdout
    assert "intact: " in shop.said["verify"].stdout
    assert not (shop.folder / ".detent" / "detent.db").exists()


def test_what_one_host_refuses_is_promoted_nowhere(shop: Shop, pair: Any) -> None:
    blob = shop.folder / ".detent" / "blobs" / name_of(versions.get(shop.ws.db, "shop", 4).digest)
    aside = blob.with_name("aside")
    blob.rename(aside)
    try:
        with pytest.raises(RefusedError, match="version 4 was refused"):
            shop.point(4)
    finally:
        aside.rename(blob)
    assert [host.version() for host in pair] == [1, 1]


def test_promotion_and_rollback_reach_both_hosts_and_no_request_fails(shop: Shop, pair: Any) -> None:
    with Load(*pair) as load:
        load.more()
        committed = shop.point(2)
        wait_until(lambda: pair[1].version() == 2)
        took = time.monotonic() - committed
        assert pair[0].version() == 2
        load.more()
        assert shop.detent("rollback").returncode == 0
        wait_until(lambda: [host.version() for host in pair] == [1, 1])
        load.more()
    assert load.failures == []
    assert took < 5.0
    assert ledger.verify(shop.ws.db).intact


def test_connections_that_are_cut_come_back_and_no_request_fails(shop: Shop, pair: Any) -> None:
    with Load(*pair) as load:
        assert shop.cut() >= 4  # of two hosts and of this test
        load.more()
        shop.point(2)
        wait_until(lambda: [host.version() for host in pair] == [2, 2])
    assert load.failures == []
    assert pair[1].process.poll() is None


def test_hosts_answer_while_the_database_is_down_say_so_and_follow_again_afterwards(shop: Shop, pair: Any) -> None:
    with Load(*pair) as load:
        asked = pair[1].predict()["id"]
        shop.server.stop()
        try:
            wait_until(lambda: [host.gauge("detent_following_up") for host in pair] == [0.0, 0.0])
            load.more()
            assert pair[1].label(asked) == 503
            killed = pair[1].workers()[0]
            subprocess.run(["kill", "-9", str(killed)], check=True)
            wait_until(lambda: pair[1].workers() not in ([], [killed]))
        finally:
            shop.server.start()
            shop.server.wait()
        wait_until(lambda: [host.gauge("detent_following_up") for host in pair] == [1.0, 1.0])
        assert pair[0].label(asked) == 200  # whichever host gave the answer
        shop.point(2)
        wait_until(lambda: [host.version() for host in pair] == [2, 2])
    assert [host.process.poll() for host in pair] == [None, None]
    # Only what the killed process had in hand may fail.
    assert len(load.failures) <= 3


def test_a_host_that_stands_still_is_waited_for_once_and_follows_before_it_counts_again(shop: Shop, pair: Any) -> None:
    pair[1].stand_still()
    try:
        began = time.monotonic()
        shop.point(3)
        assert AWAY_SECONDS <= time.monotonic() - began < AWAY_SECONDS + 30
        assert sorted(shop.states().values()) == ["away", "serving"]
        began = time.monotonic()
        shop.point(1)
        shop.point(3)
        assert time.monotonic() - began < AWAY_SECONDS
    finally:
        pair[1].go_on()
    wait_until(lambda: set(shop.states().values()) == {"serving"})
    assert pair[1].version() == 3
    assert len(list(ledger.read(shop.ws.db, kind="host.away"))) == 1


def test_a_canary_that_fails_on_the_other_host_only_is_rolled_back_by_the_first(shop: Shop, pair: Any) -> None:
    good, bad = prices(shop)
    rollout = release(shop.ws, NeighbourGateway(shop.ws), 4, reason="test", hotfix=True)
    asked = 0

    def ended() -> bool:
        nonlocal asked
        asked += 1
        for host, price in zip(pair, (good[asked % len(good)], bad[asked % len(bad)]), strict=True):
            host.predict(entity=f"customer {asked}", price=price)
        now = rollouts.get(shop.ws.db, rollout.id)
        return now is not None and now.state == "rolled back"

    wait_until(ended)
    wait_until(lambda: [host.version() for host in pair] == [1, 1])
    rows = read(shop.folder / ".detent", where=pl.col("version") == 4)
    failed = rows.filter(pl.col("status") != "ok")["id"]
    assert failed.len() >= 5
    numbers = {one.host: one.number for one in hosts.hosts(shop.ws.db, shop.ws.project.serving.endpoint)}
    other = numbers[hosts.own_id(pair[1].folder / ".detent")]
    assert {int(id_[16:20], 16) >> 10 for id_ in failed} == {other}
    told = detent(shop.folder, "status").stdout
    assert "its answers are here up to" in told
    text = "\n".join(explain(shop.ws, rollout.id).lines)
    assert "FEWER" not in text


def prices(shop: Shop) -> tuple[list[float], list[float]]:
    """Return prices with which version 4 answers, and others with which it raises."""
    predictor = predictor_of(bundle_folder(shop.ws, versions.get(shop.ws.db, "shop", 4)))
    good, bad = list[float](), list[float]()
    for number in range(300):
        price = 10.0 + number * 0.37
        try:
            predictor.predict({name: [value] for name, value in {**ROW, "price": price}.items()})
            good.append(price)
        except PredictionError:
            bad.append(price)
    return good, bad


def test_a_key_that_is_revoked_on_one_host_is_good_on_none(shop: Shop, pair: Any) -> None:
    with shop.ws.db.transaction() as tx:
        wish = keyring.Wish(name="billing", scopes=("predict",))
        key, text = keyring.add(tx, wish, actor="test", now=shop.ws.now())
    wait_until(lambda: not refuses(pair[1], text))
    with shop.ws.db.transaction() as tx:
        keyring.revoke(tx, key.id, actor="test", now=shop.ws.now())
    wait_until(lambda: refuses(pair[1], text))


def refuses(host: HostProcess, key: str) -> bool:
    try:
        host.predict(key=key)
    except OSError as refused:
        return "401" in str(refused)
    return False


@pytest.mark.parametrize("name", ["keys/signing.pub", "keys/predictions.key", "blobs"])
def test_a_host_without_a_file_of_the_first_one_says_which(elsewhere: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(elsewhere, tmp_path / "shop", symlinks=True)
    (tmp_path / "shop" / ".detent" / name).unlink()
    with pytest.raises(RefusedError, match=f"{name} is not on this host"):
        open_host(tmp_path / "shop")


def test_a_host_with_another_projects_key_is_refused(elsewhere: Path, tmp_path: Path) -> None:
    shutil.copytree(elsewhere, tmp_path / "shop", symlinks=True)
    (tmp_path / "shop" / ".detent" / "keys" / "signing.pub").write_text("ab" * 32)
    with pytest.raises(TamperedError, match="public key here is not the one"):
        open_host(tmp_path / "shop")


def test_a_host_without_the_private_key_may_not_change_anything(elsewhere: Path) -> None:
    done = detent(elsewhere, "rollback")
    assert done.returncode == 3
    assert "this host may not sign for the project" in done.stderr
