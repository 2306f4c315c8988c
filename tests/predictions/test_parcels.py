"""What one host answered, on its way to another one: read from its files, announced, taken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from databases import Databases
from detent.errors import TamperedError
from detent.predictions import pack, parcels, places
from detent.predictions.parcels import Parcel, Positions, Sent
from detent.predictions.seal import seal
from detent.store.clock import iso
from detent.store.database import Database
from detent.store.migrate import migrate
from detent.store.segments import SegmentWriter

from .builders import START, kill, turn

KEY = bytes(32)
DAY = START.date().isoformat()


@pytest.fixture
def shared(databases: Databases, tmp_path: Path) -> Database:
    database = databases.open(tmp_path / "detent.db")
    migrate(database, ["detent.store", "detent.predictions"])
    return database


@pytest.fixture
def sources(tmp_path: Path) -> pack.Sources:
    log = places.segments(tmp_path)
    return pack.Sources(log=log, outgoing=places.outgoing(log), counts=tmp_path / "profiles")


@pytest.fixture
def writer(sources: pack.Sources) -> SegmentWriter:
    return SegmentWriter(sources.log, "w0", max_bytes=1000)


def parcel(number: int, *, host: str = "b", until: str = iso(START)) -> Parcel:
    digest = f"{number:064x}"
    mac = parcels.mac_of(KEY, host, number, digest)
    return Parcel(host=host, number=number, digest=digest, bytes=100, mac=mac, since=parcels.NEVER, until=until)


def send(db: Database, number: int, *, host: str = "b", before: Sent | None = None) -> bool:
    before = before or parcels.sent_of(db, host)
    one = parcel(number, host=host)
    with db.transaction() as tx:
        return parcels.send(tx, host, before, Sent(number=number, until=one.until), one)


def take(db: Database, taker: str, host: str, number: int) -> None:
    with db.transaction() as tx:
        parcels.mark_taken(tx, taker, host, number)


def enrol(db: Database, *takers: str) -> None:
    with db.transaction() as tx:
        for taker in takers:
            parcels.enrol_taker(tx, taker, START)


def numbers(found: list[Parcel]) -> list[tuple[str, int]]:
    return [(one.host, one.number) for one in found]


def test_a_host_sends_only_when_another_one_asks(shared: Database) -> None:
    assert not parcels.is_needed(shared, "a")
    enrol(shared, "a")
    assert not parcels.is_needed(shared, "a")
    assert parcels.is_needed(shared, "b")


def test_each_taker_gets_every_parcel_of_the_others_once_and_in_order(shared: Database) -> None:
    enrol(shared, "a", "c")
    assert [send(shared, 1), send(shared, 2), send(shared, 1, host="c")] == [True] * 3
    assert numbers(parcels.waiting_for(shared, "a")) == [("b", 1), ("b", 2), ("c", 1)]
    assert numbers(parcels.waiting_for(shared, "c")) == [("b", 1), ("b", 2)]
    take(shared, "a", "b", 1)
    assert numbers(parcels.waiting_for(shared, "a")) == [("b", 2), ("c", 1)]
    assert parcels.taken_by(shared, "a") == {"b": 1}


def test_a_parcel_goes_when_everybody_who_needs_it_has_it(shared: Database) -> None:
    enrol(shared, "a", "c")
    send(shared, 1)
    send(shared, 1, host="c")
    assert parcels.delivered(shared) == []
    take(shared, "a", "b", 1)
    take(shared, "a", "c", 1)  # its sender needs no parcel of its own
    assert numbers(parcels.delivered(shared)) == [("c", 1)]
    take(shared, "c", "b", 1)
    assert numbers(parcels.delivered(shared)) == [("b", 1), ("c", 1)]
    with shared.transaction() as tx:
        parcels.remove(tx, parcels.delivered(shared))
    assert parcels.waiting_bytes(shared, "b") == 0
    assert parcels.sent_of(shared, "b").number == 1  # the next one is number 2


def test_of_two_processes_that_send_the_same_rows_one_is_stored(shared: Database) -> None:
    before = parcels.sent_of(shared, "b")
    assert send(shared, 1, before=before)
    assert not send(shared, 1, before=before)
    assert parcels.waiting_bytes(shared, "b") == 100


def test_what_nobody_came_for_and_who_never_came_are_found_by_age(shared: Database) -> None:
    enrol(shared, "a")
    send(shared, 1)
    later = START + timedelta(days=1)
    assert parcels.older(shared, START) == []
    assert numbers(parcels.older(shared, later)) == [("b", 1)]
    with shared.transaction() as tx:
        assert parcels.forget_takers(tx, later) == 1
    assert not parcels.is_needed(shared, "b")


def test_people_are_told_up_to_when_answers_are_here(shared: Database) -> None:
    enrol(shared, "a")
    send(shared, 1)
    assert parcels.heard(shared, "a") == {"b": parcels.NEVER}
    take(shared, "a", "b", 1)
    assert parcels.heard(shared, "a") == {"b": iso(START)}
    assert parcels.heard(shared, "b") == {}


def test_a_parcel_that_somebody_without_the_secret_made_is_not_genuine() -> None:
    assert parcel(1).is_genuine(KEY)
    assert not parcel(1).is_genuine(bytes(31) + b"1")


def test_only_what_is_new_is_packed_and_nothing_twice(sources: pack.Sources, writer: SegmentWriter) -> None:
    writer.append([turn(1), turn(2)])
    first = pack.pack(sources, Positions())
    assert first.contents.frames == [turn(1), turn(2)]
    assert pack.pack(sources, first.positions).empty
    writer.append([turn(3)])
    assert pack.pack(sources, first.positions).contents.frames == [turn(3)]
    assert pack.decode(pack.encode(first.contents)) == first.contents


def test_a_large_log_is_packed_in_several_parcels(sources: pack.Sources, writer: SegmentWriter) -> None:
    frames = [turn(number) for number in range(20)]
    for frame in frames:
        writer.append([frame])
    positions, got = Positions(), []
    for _ in range(30):
        found = pack.pack(sources, positions, most=3 * len(frames[0]))
        got += found.contents.frames
        positions = found.positions
        if not found.more:
            break
    assert sorted(got) == sorted(frames)
    assert len(list(sources.log.glob("*.sealed"))) >= 2


def test_a_host_without_a_controller_lets_go_of_what_it_has_sent(sources: pack.Sources, writer: SegmentWriter) -> None:
    writer.append([turn(1)])
    found = pack.pack(sources, Positions())
    writer.append([turn(2)])
    writer.seal()
    pack.clear(sources, found.positions, keeps=False)
    assert len(list(sources.log.glob("*.sealed"))) == 1  # a part of it is not sent
    found = pack.pack(sources, found.positions)
    assert found.contents.frames == [turn(2)]
    pack.clear(sources, found.positions, keeps=False)
    assert list(sources.log.glob("*.sealed")) == []


def test_the_log_of_a_killed_process_is_sent_and_let_go_of(sources: pack.Sources, writer: SegmentWriter) -> None:
    writer.append([turn(1)])
    kill(writer)
    found = pack.pack(sources, Positions())
    for _ in range(2):
        pack.clear(sources, found.positions, keeps=False)
    assert [path for path in sources.log.iterdir() if path.suffix in (".open", ".sealed")] == []


def test_bytes_that_are_no_rows_are_kept_when_their_segment_goes(sources: pack.Sources, writer: SegmentWriter) -> None:
    writer.append([turn(1)])
    sealed = writer.seal()
    assert sealed is not None
    with sealed.open("ab") as file:
        file.write(b"\1\0\0\0torn")
    found = pack.pack(sources, Positions())
    assert found.contents.frames == [turn(1)]
    pack.clear(sources, found.positions, keeps=False)
    assert sealed.with_suffix(".torn").read_bytes() == b"\1\0\0\0torn"
    assert not sealed.exists()


def test_a_host_with_a_controller_keeps_its_segments_until_they_are_in_parquet_and_sent(
    sources: pack.Sources, writer: SegmentWriter, tmp_path: Path
) -> None:
    sources.outgoing.mkdir()
    writer.append([turn(1)])
    first = pack.pack(sources, Positions())
    writer.append([turn(2)])
    writer.seal()
    seal(sources.log, places.parquet(tmp_path))
    assert [path.name for path in sources.outgoing.iterdir()] == ["w0-00000001.sealed"]
    second = pack.pack(sources, first.positions)
    assert second.contents.frames == [turn(2)]
    pack.clear(sources, first.positions, keeps=True)
    assert len(list(sources.outgoing.iterdir())) == 1
    pack.clear(sources, second.positions, keeps=True)
    assert list(sources.outgoing.iterdir()) == []


def test_a_file_that_has_the_name_of_an_earlier_one_is_sent_from_its_beginning(
    sources: pack.Sources, writer: SegmentWriter
) -> None:
    writer.append([turn(1)])
    writer.seal()
    found = pack.pack(sources, Positions())
    pack.clear(sources, found.positions, keeps=False)
    (sources.log / "w0.next").unlink()  # a power cut takes the numbering
    SegmentWriter(sources.log, "w0").append([turn(2)])
    assert pack.pack(sources, found.positions).contents.frames == [turn(2)]


def test_rows_and_counts_of_other_hosts_are_not_sent_on(sources: pack.Sources, writer: SegmentWriter) -> None:
    SegmentWriter(sources.log, places.landed(2)).append([turn(1)])
    writer.append([turn(2)])
    folder = sources.counts / DAY
    folder.mkdir(parents=True)
    (folder / "shop-1-w0-aa.bin").write_bytes(b"own")
    (folder / "shop-1-w0-bb.host2.bin").write_bytes(b"theirs")
    found = pack.pack(sources, Positions())
    assert found.contents == pack.Contents([turn(2)], {f"{DAY}/shop-1-w0-aa.bin": b"own"})
    seal(sources.log, places.parquet(sources.log.parent))


def test_counts_are_sent_when_they_change_and_forgotten_when_their_day_is_over(sources: pack.Sources) -> None:
    folder = sources.counts / DAY
    folder.mkdir(parents=True)
    (folder / "shop-1-w0-aa.bin").write_bytes(b"one")
    first = pack.pack(sources, Positions())
    assert list(first.contents.counts.values()) == [b"one"]
    (folder / "shop-1-w0-aa.bin").write_bytes(b"more")
    pack.forget_counts(sources, first.positions, START.date() + timedelta(days=9))
    assert folder.exists()  # it has changed since
    second = pack.pack(sources, first.positions)
    assert list(second.contents.counts.values()) == [b"more"]
    assert pack.pack(sources, second.positions).empty
    pack.forget_counts(sources, second.positions, START.date() + timedelta(days=1))
    assert folder.exists()
    pack.forget_counts(sources, second.positions, START.date() + timedelta(days=9))
    assert not folder.exists()


def test_what_waits_for_a_host_that_does_not_come_is_bounded(sources: pack.Sources, writer: SegmentWriter) -> None:
    for number in range(20):
        writer.append([turn(number)])
    sources.log.rename(sources.outgoing)
    size = sum(path.stat().st_size for path in sources.outgoing.glob("*.sealed"))
    removed = pack.trim(sources.outgoing, size // 2)
    assert removed > 0
    assert sum(path.stat().st_size for path in sources.outgoing.glob("*.sealed")) <= size // 2


@pytest.mark.parametrize("name", ["../keys/signing.pub", "2026-01-01/../../x.bin", f"{DAY}/a/b.bin", f"{DAY}/a.txt"])
def test_a_parcel_can_not_name_files_elsewhere(name: str) -> None:
    with pytest.raises(TamperedError, match="no part of its log"):
        pack.decode(pack.encode(pack.Contents([], {name: b""})))


def test_bytes_that_are_no_parcel_are_refused() -> None:
    with pytest.raises(TamperedError, match="no part of its log"):
        pack.decode(b"something else")
