"""Sources outside, against real servers: HTTP on loopback, SQLite and PostgreSQL, fsspec's filesystems."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import polars as pl
import psycopg
import pytest

from detent.data.ingest import Ingested, ingest
from detent.data.sources import store
from detent.data.sources.decide import Remembered
from detent.data.sources.protocol import UnreachableError
from detent.data.stamp import Stamp, from_plain, source_stamp, to_plain
from detent.errors import DataError, MissingExtraError
from detent.records.project import Changes, Source
from detent.store.blobs import Blobs
from detent.store.database import Database
from detent.store.migrate import migrate
from postgres_server import Server

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
ETAG = Changes(kind="etag")


class Web:
    """An HTTP server that can misbehave."""

    def __init__(self) -> None:
        self.body, self.headers = b"id,at\n1,2024-05-01T00:00:00Z\n", {"ETag": '"one"'}
        self.asked: list[str] = []  # methods, in order
        self.status = 200
        self.cut = 0  # bytes left out at the end of a GET
        self.head = True  # is HEAD known
        self.after_head = lambda: None
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                web.asked.append("HEAD")
                headers, length = dict(web.headers), len(web.body)
                web.after_head()  # before the answer leaves, so that it has happened when the next question comes
                self._begin(web.status if web.head else 405, headers, length)

            def do_GET(self) -> None:
                web.asked.append("GET")
                self._begin(web.status, web.headers, len(web.body))
                if web.status == 200:
                    self.wfile.write(web.body[: len(web.body) - web.cut])

            def _begin(self, status: int, headers: dict[str, str], length: int) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/flights.csv"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.stop()


def source(where: str, changes: Changes | None = ETAG, **more: object) -> Source:
    fields = {"name": "flights", "source": where, "time": None, "key": None, "contract": None, "line": 7}
    return Source(**{**fields, "changes": changes, **more})  # pyright: ignore[reportArgumentType]


class Reader:
    """Ingests one source again and again, as the loop does."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self.folder, self.blobs = folder, blobs
        self.remembered: Remembered | None = None

    def __call__(self, which: Source, now: datetime = NOW) -> Ingested:
        found = ingest(which, folder=self.folder, blobs=self.blobs, as_of=None, now=now, remembered=self.remembered)
        self.remembered = found.remembered
        return found


@pytest.fixture
def reader(tmp_path: Path, blobs: Blobs) -> Reader:
    return Reader(tmp_path, blobs)


def test_an_unchanged_etag_is_a_head_and_no_download(web: Web, reader: Reader) -> None:
    first = reader(source(web.url))
    assert web.asked == ["GET"]
    again = reader(source(web.url), NOW + timedelta(days=9))
    assert web.asked == ["GET", "HEAD"]
    assert again.snapshot == first.snapshot
    assert again.frame.equals(first.frame)
    assert again.stamp == first.stamp
    assert source_stamp(source(web.url), reader.folder, now=NOW) == first.stamp


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_new_etag_or_time_is_a_new_snapshot(web: Web, reader: Reader, header: str) -> None:
    web.headers = {header: "one"}
    first = reader(source(web.url))
    web.headers, web.body = {header: "two"}, web.body + b"2,2024-05-01T01:00:00Z\n"
    assert source_stamp(source(web.url), reader.folder, now=NOW) != first.stamp
    second = reader(source(web.url))
    assert (first.snapshot.rows, second.snapshot.rows) == (1, 2)
    assert web.asked == ["GET", "HEAD", "HEAD", "GET"]


def test_the_same_etag_with_another_length_is_a_new_version(web: Web, reader: Reader) -> None:
    reader(source(web.url))
    web.body += b"2,2024-05-01T01:00:00Z\n"
    assert reader(source(web.url)).snapshot.rows == 2


def test_a_change_between_head_and_get_is_remembered_as_what_was_got(web: Web, reader: Reader) -> None:
    reader(source(web.url))
    web.headers = {"ETag": '"two"'}

    def change() -> None:
        web.headers, web.body = {"ETag": '"three"'}, b"id\n7\n"

    web.after_head = change
    assert reader(source(web.url)).frame["id"].to_list() == [7]
    web.after_head = lambda: None
    del web.asked[:]
    assert reader(source(web.url)).frame["id"].to_list() == [7]
    assert web.asked == ["HEAD"]


def test_a_server_without_head_is_asked_by_a_get_that_breaks_off(web: Web, reader: Reader) -> None:
    web.head = False
    reader(source(web.url))
    reader(source(web.url))
    assert web.asked == ["GET", "HEAD", "GET"]
    assert reader.remembered is not None


def test_a_server_that_says_nothing_of_itself_needs_another_declaration(web: Web, reader: Reader) -> None:
    web.headers = {}
    reader(source(web.url, Changes(kind="ttl", ttl=timedelta(hours=6))))
    with pytest.raises(DataError, match="can't be read") as caught:
        reader(source(web.url))
    assert "neither an ETag nor a time of change" in caught.value.why
    assert "ttl 6h" in caught.value.fix
    assert str(caught.value.where) == "detent.yaml:7 (data.flights.changes)"


def test_a_truncated_download_is_tried_again_and_never_taken(web: Web, reader: Reader) -> None:
    web.cut = 5
    with pytest.raises(UnreachableError, match="can't be reached"):
        reader(source(web.url))
    assert web.asked == ["GET"] * 3
    assert reader.remembered is None
    web.cut = 0
    assert reader(source(web.url)).snapshot.rows == 1


@pytest.mark.parametrize(("status", "kind"), [(503, UnreachableError), (404, DataError), (403, DataError)])
def test_last_rows_stand_in_only_when_declared_and_only_for_a_source_that_does_not_answer(
    web: Web, reader: Reader, status: int, kind: type[DataError]
) -> None:
    gentle = source(web.url, Changes(kind="etag", or_last=True))
    first = reader(gentle)
    web.status = status
    with pytest.raises(kind):
        reader(source(web.url))
    if kind is UnreachableError:
        found = reader(gentle, NOW + timedelta(days=1))
        assert found.snapshot == first.snapshot
        assert "503" in found.stale
        assert found.stamp != first.stamp  # so that it is looked at again
        web.status, web.headers = 200, {"ETag": '"two"'}
        assert reader(gentle).stale == ""
    else:
        with pytest.raises(DataError):
            reader(gentle)


def test_a_server_that_is_gone_is_unreachable_also_at_the_first_time(web: Web, reader: Reader) -> None:
    gone = source(web.url.replace(":", ":", 1).rpartition(":")[0] + ":1/x.csv", Changes(kind="etag", or_last=True))
    with pytest.raises(UnreachableError) as caught:
        reader(gone)
    assert "`or last`" in caught.value.fix


def test_a_time_to_live_holds_without_asking_and_not_longer(web: Web, reader: Reader) -> None:
    daily = source(web.url, Changes(kind="ttl", ttl=timedelta(days=1)))
    first = reader(daily)
    web.body = b"id\n7\n"
    assert reader(daily, NOW + timedelta(hours=23)).frame.equals(first.frame)
    assert web.asked == ["GET"]
    assert source_stamp(daily, reader.folder, now=NOW + timedelta(hours=23), known=first.stamp) == first.stamp
    assert source_stamp(daily, reader.folder, now=NOW + timedelta(days=1), known=first.stamp) != first.stamp
    assert source_stamp(daily, reader.folder, now=NOW) != first.stamp
    assert reader(daily, NOW + timedelta(days=1)).frame["id"].to_list() == [7]
    assert web.asked == ["GET", "GET"]
    reader(daily, NOW)  # the clock was set back: nobody knows how long ago it was
    assert web.asked == ["GET", "GET", "GET"]


def test_rows_that_the_store_lost_are_read_again(web: Web, reader: Reader) -> None:
    reader(source(web.url))
    assert reader.remembered is not None
    reader.blobs.delete(reader.remembered.snapshot.parts[0].digest)
    assert reader(source(web.url)).snapshot.rows == 1
    assert web.asked == ["GET", "HEAD", "GET"]


def test_rows_of_another_url_are_never_taken_for_this_ones(web: Web, reader: Reader) -> None:
    daily = Changes(kind="ttl", ttl=timedelta(days=1))
    reader(source(web.url, daily))
    reader(source(web.url + "?other", daily))
    assert web.asked == ["GET", "GET"]


def test_rows_of_another_url_do_not_stand_in_for_one_that_does_not_answer(web: Web, reader: Reader) -> None:
    reader(source(web.url, Changes(kind="etag", or_last=True)))
    web.status = 503
    with pytest.raises(UnreachableError):
        reader(source(web.url + "?other", Changes(kind="etag", or_last=True)))


def test_a_probe_says_when_to_read(web: Web, reader: Reader) -> None:
    (reader.folder / "probe_for_test.py").write_text(
        "from pathlib import Path\n\n"
        "def newest():\n    return [Path(__file__).with_name('number').read_text(), 1.5, None]\n"
    )
    number = reader.folder / "number"
    number.write_text("1")
    probed = source(web.url, Changes(kind="probe", probe="probe_for_test.py:newest"))
    first = reader(probed)
    reader(probed)
    assert web.asked == ["GET"]
    assert source_stamp(probed, reader.folder, now=NOW) == first.stamp
    number.write_text("2")
    assert source_stamp(probed, reader.folder, now=NOW) != first.stamp
    reader(probed)
    assert web.asked == ["GET", "GET"]
    number.unlink()
    with pytest.raises(UnreachableError, match="can't be reached") as caught:
        reader(probed)
    assert "FileNotFoundError" in caught.value.why


def test_a_probe_that_moves_while_rows_are_read_is_tried_again(web: Web, reader: Reader) -> None:
    (reader.folder / "moving_probe.py").write_text(
        "calls = []\n\ndef newest():\n    calls.append(1)\n    return len(calls) if len(calls) < 3 else 99\n"
    )
    found = reader(source(web.url, Changes(kind="probe", probe="moving_probe.py:newest")))
    assert web.asked == ["GET", "GET"]  # 1 -> 2 moved, 99 -> 99 held
    assert found.stamp.value[0] == "99"


def test_a_probe_must_give_what_can_be_compared(web: Web, reader: Reader) -> None:
    (reader.folder / "odd_probe.py").write_text("def newest():\n    return {1, 2}\n")
    with pytest.raises(DataError) as caught:
        reader(source(web.url, Changes(kind="probe", probe="odd_probe.py:newest")))
    assert "gives a set" in caught.value.why


def test_objects_of_any_filesystem_are_noticed_by_what_it_says_of_them(reader: Reader) -> None:
    lake = source("memory://lake/sources/flights.csv")
    with fsspec.open("memory://lake/sources/flights.csv", "wb") as file:
        file.write(b"id\n1\n")
    first = reader(lake)
    assert source_stamp(lake, reader.folder, now=NOW) == first.stamp
    with fsspec.open("memory://lake/sources/flights.csv", "wb") as file:
        file.write(b"id\n1\n2\n")
    assert source_stamp(lake, reader.folder, now=NOW) != first.stamp
    assert reader(lake).snapshot.rows == 2
    with pytest.raises(DataError, match="is missing"):
        reader(source("memory://lake/sources/none.csv"))
    with pytest.raises(DataError, match="can't be read"):
        reader(source("nosuch://x/y.csv"))


def test_a_filesystem_that_needs_a_package_names_it(reader: Reader) -> None:
    with pytest.raises(MissingExtraError) as caught:
        reader(source("dropbox://x/y.csv"))
    assert "pip install" in caught.value.fix


def test_what_is_remembered_survives_the_database(web: Web, reader: Reader, db: Database) -> None:
    migrate(db, ["detent.data"])
    assert store.load(db, "flights") is None
    reader(source(web.url))
    first = reader.remembered
    assert first is not None
    with db.transaction() as tx:
        store.save(tx, first)
    assert store.load(db, "flights") == first
    web.headers = {"ETag": '"two"'}
    reader(source(web.url), NOW + timedelta(days=1))
    assert reader.remembered is not None
    with db.transaction() as tx:
        store.save(tx, reader.remembered)
    loaded = store.load(db, "flights")
    assert loaded == reader.remembered
    assert loaded.version != first.version


def test_a_stamp_survives_json() -> None:
    stamp = Stamp(kind="file", value=(1, 2, 3), until="x")
    assert from_plain(to_plain(stamp)) == stamp
    with pytest.raises(ValueError, match="no stamp"):
        from_plain(["file"])


# ---------------------------------------------------------------------------------------------------- databases

SELECT = "select id, at, price, origin from flights"


@pytest.fixture
def postgres(postgres_server: Server) -> str:
    return postgres_server.address.replace("://", "+psycopg://", 1)


@pytest.fixture(params=["sqlite", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path / "w.db" if request.param == "sqlite" else request.getfixturevalue("postgres"))
    monkeypatch.setenv("WAREHOUSE_URL", made.url)
    yield made
    made.execute("drop table flights")


class Warehouse:
    def __init__(self, where: Path | str) -> None:
        self._where = where
        self.url = f"sqlite:///{where}" if isinstance(where, Path) else where
        self.execute("create table flights (id integer, at timestamp, price double precision, origin varchar(9))")

    def execute(self, statement: str) -> None:
        if isinstance(self._where, Path):
            with sqlite3.connect(self._where) as connection:
                connection.execute(statement)
            connection.close()
        else:
            with psycopg.connect(self._where.replace("+psycopg", "", 1), autocommit=True) as connection:
                connection.execute(statement)  # pyright: ignore[reportArgumentType]

    def add(self, *rows: str) -> None:
        self.execute(f"insert into flights values {', '.join(rows)}")


def sql(changes: Changes, query: str = SELECT) -> Source:
    return source("sql:WAREHOUSE_URL", changes, sql=query, connection="WAREHOUSE_URL", time="at", key="id")


COUNT = Changes(kind="probe", probe="select count(*), max(at) from flights")


def test_rows_come_from_a_database_and_a_probe_says_when_to_read_them(warehouse: Warehouse, reader: Reader) -> None:
    warehouse.add("(2, '2024-01-02 00:00:00', null, 'JFK')", "(1, '2024-01-01 00:00:00', 1.5, null)")
    first = reader(sql(COUNT))
    assert first.frame.rows() == [
        (1, datetime(2024, 1, 1, tzinfo=UTC), 1.5, None),
        (2, datetime(2024, 1, 2, tzinfo=UTC), None, "JFK"),
    ]
    assert first.snapshot.source == f"sql:WAREHOUSE_URL {SELECT}"
    warehouse.execute("update flights set price = 9 where id = 1")  # the probe does not see it, as declared
    assert reader(sql(COUNT)).snapshot == first.snapshot
    assert source_stamp(sql(COUNT), reader.folder, now=NOW) == first.stamp
    warehouse.add("(3, '2024-01-03 00:00:00', 2, 'EWR')")
    assert source_stamp(sql(COUNT), reader.folder, now=NOW) != first.stamp
    assert reader(sql(COUNT)).frame["price"].to_list() == [9.0, None, 2.0]


def test_equal_rows_are_an_equal_snapshot_in_whatever_order_the_database_gives_them(
    warehouse: Warehouse, reader: Reader
) -> None:
    rows = [f"({key}, '2024-01-0{1 + key % 3} 00:00:00', {key}, 'JFK')" for key in range(9)]
    always = Changes(kind="ttl", ttl=timedelta(seconds=1))
    warehouse.add(*rows)
    first = reader(sql(always))
    warehouse.execute("delete from flights")
    warehouse.add(*reversed(rows))
    assert reader(sql(always), NOW + timedelta(days=1)).snapshot.id == first.snapshot.id
    ordered = reader(sql(always, SELECT + " order by id desc"), NOW)
    assert ordered.frame["id"].to_list() == list(range(8, -1, -1))


def test_a_wrong_select_is_refused_and_no_password_is_shown(
    warehouse: Warehouse, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError) as caught:
        reader(sql(COUNT, "select id from nowhere"))
    assert "nowhere" in caught.value.why
    assert str(caught.value.where) == "detent.yaml:7 (data.flights.sql)"
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql+psycopg://me:s3cret-word@127.0.0.1:1/x")
    with pytest.raises(UnreachableError) as caught:
        reader(sql(COUNT))
    assert "s3cret-word" not in str(caught.value)
    for value, words in (("", "is not set"), ("no url", "no SQLAlchemy URL")):
        monkeypatch.setenv("WAREHOUSE_URL", value)
        with pytest.raises(DataError) as caught:
            reader(sql(COUNT))
        assert words in caught.value.why
    monkeypatch.setenv("WAREHOUSE_URL", "mysql+pymysql://me@127.0.0.1/x")
    with pytest.raises(MissingExtraError):
        reader(sql(COUNT))


def test_a_database_that_is_down_may_be_stood_in_for(
    postgres: str, postgres_server: Server, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", postgres)
    asked = Changes(kind="probe", probe="select 1", or_last=True)
    query = "select 1 as id, timestamp '2024-01-01 00:00:00' as at"
    first = reader(sql(asked, query))
    socket = postgres_server.socket
    socket.rename(socket.with_name("away"))
    try:
        with pytest.raises(UnreachableError):
            reader(sql(replace(asked, or_last=False), query))
        found = reader(sql(asked, query))
    finally:
        socket.with_name("away").rename(socket)
    assert found.stale
    assert found.snapshot == first.snapshot
    assert reader(sql(asked, query)).stale == ""


def test_rows_of_another_database_are_never_taken_for_this_ones(
    warehouse: Warehouse, reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    warehouse.add("(1, '2024-01-01 00:00:00', 1, 'JFK')")
    daily = sql(Changes(kind="ttl", ttl=timedelta(days=1)))
    first = reader(daily)
    other = Warehouse(tmp_path / "other.db")
    other.add("(2, '2024-01-01 00:00:00', 1, 'JFK')")
    monkeypatch.setenv("WAREHOUSE_URL", other.url)
    assert source_stamp(daily, reader.folder, now=NOW, known=first.stamp) != first.stamp
    assert reader(daily).frame["id"].to_list() == [2]


def test_types_that_only_postgres_has_become_types_that_parquet_has(
    postgres: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", postgres)
    query = """select 1 as id, timestamptz '2024-01-01 02:00:00+02' as at, 12.50::numeric as price, true as ok,
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as uid, date '2024-01-01' as day, null::integer as nothing"""
    frame = reader(sql(Changes(kind="ttl", ttl=timedelta(days=1)), query)).frame
    assert frame["at"].to_list() == [datetime(2024, 1, 1, tzinfo=UTC)]
    assert frame["uid"].to_list() == ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]
    assert float(frame["price"][0]) == 12.5
    assert frame["ok"].to_list() == [True]


# -------------------------------------------------------------------------------------------------------- files


def test_the_stamp_of_a_file_holds_until_somebody_writes_to_it(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    path = tmp_path / "data" / "flights.parquet"
    path.parent.mkdir()
    frame = pl.DataFrame({"id": [1, 2], "at": [NOW, NOW + timedelta(hours=1)]})
    frame.write_parquet(path)
    assert source_stamp(flights, tmp_path, now=NOW).kind == "young"
    assert source_stamp(flights, tmp_path, now=NOW) != source_stamp(flights, tmp_path, now=NOW)
    old = settled(flights, tmp_path)
    found = ingest(flights, folder=tmp_path, blobs=blobs, as_of=NOW)
    assert found.stamp == old
    frame[:1].write_parquet(path)
    assert settled(flights, tmp_path) != old
    path.unlink()
    assert source_stamp(flights, tmp_path, now=NOW) == Stamp(kind="absent", value=())


def settled(which: Source, folder: Path) -> Stamp:
    """The stamp once the file is no longer young; that takes a twentieth of a second."""
    while (stamp := source_stamp(which, folder, now=NOW)).kind == "young":
        pass
    return stamp


def test_the_next_moment_at_which_a_cut_differs_is_known(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    path = tmp_path / "data" / "flights.parquet"
    path.parent.mkdir()
    times = [NOW, NOW + timedelta(hours=5), None, NOW + timedelta(hours=2)]
    pl.DataFrame({"id": [1, 2, 3, 4], "at": times}).write_parquet(path)

    def cut(hours: float) -> Ingested:
        return ingest(flights, folder=tmp_path, blobs=blobs, as_of=NOW + timedelta(hours=hours))

    assert cut(0).next_cut == NOW + timedelta(hours=2)
    assert cut(1.99).snapshot == replace(cut(0).snapshot, as_of=cut(1.99).snapshot.as_of)
    assert cut(2).snapshot.id != cut(0).snapshot.id
    assert cut(2).next_cut == NOW + timedelta(hours=5)
    assert cut(5).next_cut is None
    assert ingest(flights, folder=tmp_path, blobs=blobs, as_of=None).next_cut is None
