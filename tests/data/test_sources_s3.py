"""Objects in S3, against a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from detent.data.ingest import ingest
from detent.data.sources import open_source
from detent.data.sources.objects import Object
from detent.data.sources.protocol import UnreachableError
from detent.data.stamp import source_stamp
from detent.errors import DataError
from detent.records.project import Changes, Source
from detent.store.blobs import Blobs

NOW = datetime(2024, 5, 1, tzinfo=UTC)
pytest.importorskip("moto.server", reason="moto[s3,server] is not installed")
s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")


@dataclass(frozen=True)
class Lake:
    files: Any
    source: Source

    def put(self, data: bytes) -> None:
        with self.files.open("lake/flights.csv", "wb") as file:
            file.write(data)


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch, flights: Source) -> Iterator[Lake]:
    from moto.server import ThreadedMotoServer  # pyright: ignore[reportMissingImports]

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.makedirs("lake", exist_ok=True)  # the server keeps what earlier tests put there
    source = replace(flights, source="s3://lake/flights.csv", time=None, key=None, changes=Changes(kind="etag"))
    yield Lake(files, source)
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_an_object_is_read_once_until_its_etag_changes(lake: Lake, tmp_path: Path, blobs: Blobs) -> None:
    lake.put(b"id\n1\n")
    first = ingest(lake.source, folder=tmp_path, blobs=blobs, as_of=None, now=NOW)
    assert source_stamp(lake.source, tmp_path, now=NOW) == first.stamp
    again = ingest(lake.source, folder=tmp_path, blobs=blobs, as_of=None, now=NOW, remembered=first.remembered)
    assert again.snapshot == first.snapshot
    assert again.remembered is not None
    assert first.remembered is not None
    assert again.remembered.read == first.remembered.read
    lake.put(b"id\n2\n")
    assert source_stamp(lake.source, tmp_path, now=NOW) != first.stamp
    third = ingest(lake.source, folder=tmp_path, blobs=blobs, as_of=None, now=NOW, remembered=again.remembered)
    assert third.frame["id"].to_list() == [2]


def test_an_object_that_is_not_there_is_missing(lake: Lake, tmp_path: Path, blobs: Blobs) -> None:
    nowhere = replace(lake.source, source="s3://lake/none.csv")
    with pytest.raises(DataError, match="is missing"):
        ingest(nowhere, folder=tmp_path, blobs=blobs, as_of=None, now=NOW)


def test_an_object_that_changes_while_it_is_read_is_not_taken(lake: Lake, tmp_path: Path) -> None:
    lake.put(b"id\n1\n")
    reader = open_source(lake.source, tmp_path)
    assert isinstance(reader, Object)

    class Moving:
        """The real filesystem, with a writer who comes between the look and the download."""

        def __getattr__(self, name: str) -> Any:
            if name == "cat_file":
                lake.put(b"id\n1\n2\n")
            return getattr(lake.files, name)

    with pytest.raises(UnreachableError) as caught:
        Object(lake.source, Moving(), "lake/flights.csv").read()
    assert "changed while it was read" in caught.value.why
    assert reader.read().content == b"id\n1\n2\n"


def test_a_truncated_object_is_not_taken(lake: Lake) -> None:
    lake.put(b"id\n1\n2\n")

    class Short:
        """The real filesystem, over a connection that breaks off without a word."""

        def __getattr__(self, name: str) -> Any:
            return getattr(lake.files, name)

        def cat_file(self, path: str) -> bytes:
            return lake.files.cat_file(path)[:4]

    with pytest.raises(UnreachableError) as caught:
        Object(lake.source, Short(), "lake/flights.csv").read()
    assert "4 of 7 bytes arrived" in caught.value.why
