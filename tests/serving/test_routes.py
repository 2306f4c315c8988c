from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from detent.errors import StoreError
from detent.records.route import Arm, Route
from detent.serving.pages.routes import PAGE_BYTES, RoutePage


def a_route(seq: int, endpoint: str = "flights") -> Route:
    return Route(
        endpoint=endpoint, model="flights", seq=seq, arms=(Arm(version=seq, weight=10_000),), shadows=(),
        fallback=None, loaded=(seq,), salt="s" * (seq % 50),
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "routes.page"


def test_a_reader_of_a_page_that_nobody_wrote_sees_no_routes_and_makes_no_file(path: Path) -> None:
    page = RoutePage(path)
    assert (page.seq(), page.read(), page.torn) == (0, (0, {}), 0)
    assert not path.parent.exists()


def test_the_first_write_makes_the_page_and_a_reader_that_was_there_before_sees_it(path: Path) -> None:
    reader = RoutePage(path)
    RoutePage(path).write([a_route(1)])
    assert path.stat().st_size == PAGE_BYTES
    assert (reader.seq(), reader.read()) == (1, (1, {"flights": a_route(1)}))


def test_a_page_that_can_not_be_read_or_made_is_a_clear_error(path: Path) -> None:
    page = RoutePage(path)
    path.parent.write_bytes(b"in the way")
    with pytest.raises(StoreError, match="can't be read"):
        RoutePage(path)
    with pytest.raises(StoreError, match="can't be written"):
        page.write([a_route(1)])


def test_what_one_object_writes_another_one_reads(path: Path) -> None:
    writer, reader = RoutePage(path), RoutePage(path)
    assert writer.write([a_route(1), a_route(2, "boats")]) == 1
    assert reader.seq() == 1
    assert reader.read() == (1, {"flights": a_route(1), "boats": a_route(2, "boats")})
    assert writer.write([a_route(3)]) == 2
    assert reader.read() == (2, {"flights": a_route(3)})


def test_opening_a_page_again_keeps_what_it_holds(path: Path) -> None:
    RoutePage(path).write([a_route(5)])
    assert RoutePage(path).read() == (1, {"flights": a_route(5)})


def damage(path: Path, slot: int) -> None:
    with path.open("r+b") as file:
        file.seek(64 + slot * ((PAGE_BYTES - 64) // 2) + 30)
        file.write(b"\xff")


def test_a_corrupt_slot_leaves_the_table_that_the_reader_had(path: Path) -> None:
    writer, reader = RoutePage(path), RoutePage(path)
    writer.write([a_route(1)])
    assert reader.read()[0] == 1
    writer.write([a_route(2)])
    damage(path, 0)
    assert reader.read() == (1, {"flights": a_route(1)})
    assert reader.torn == 1
    writer.write([a_route(3)])
    assert reader.read() == (3, {"flights": a_route(3)})


def test_a_reader_that_comes_after_the_damage_takes_the_table_before(path: Path) -> None:
    writer = RoutePage(path)
    writer.write([a_route(1)])
    writer.write([a_route(2)])
    damage(path, 0)
    assert RoutePage(path).read() == (1, {"flights": a_route(1)})


def test_a_writer_that_dies_before_it_commits_changes_nothing(path: Path) -> None:
    writer, reader = RoutePage(path), RoutePage(path)
    writer.write([a_route(1)])
    damage(path, 0)  # half of the next table, without the sequence number
    assert reader.read() == (1, {"flights": a_route(1)})
    assert reader.torn == 0


def test_a_table_that_does_not_fit_is_refused_and_the_old_one_stays(path: Path) -> None:
    page = RoutePage(path)
    page.write([a_route(1)])
    with pytest.raises(StoreError, match="the page holds"):
        page.write([a_route(number, f"endpoint-{number}") for number in range(1000)])
    assert page.read() == (1, {"flights": a_route(1)})


def test_a_file_that_is_no_page_is_not_touched(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else")
    with pytest.raises(StoreError, match="not a page of routes"):
        RoutePage(path)
    assert path.read_bytes() == b"something else"


def test_readers_never_see_a_mix_while_two_processes_write(path: Path) -> None:
    RoutePage(path).write([a_route(1), a_route(1, "boats")])
    children = []
    for first in (1_000, 2_000):
        child = os.fork()
        if child == 0:
            writer = RoutePage(path)
            for seq in range(first, first + 100):
                writer.write([a_route(seq), a_route(seq, "boats")])
            os._exit(0)
        children.append(child)
    done = threading.Event()

    def wait() -> None:
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        done.set()

    threading.Thread(target=wait).start()
    reader, seen, last = RoutePage(path), 0, 0
    while not done.is_set() or reader.seq() != last:
        seq, table = reader.read()
        assert seq >= last
        assert table["flights"].seq == table["boats"].seq
        seen, last = seen + (seq > last), seq
    assert last == 201
    assert seen > 5
