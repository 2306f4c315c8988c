"""A real S3 API, and a folder for every user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from databases import Databases
from detent.store.database import Database
from detent.store.migrate import migrate


class S3:
    """moto's S3 server on a port of its own. `fault` may answer a request in its place: (environ, start) -> body."""

    def __init__(self) -> None:
        serving = pytest.importorskip("werkzeug.serving", reason="moto[server] is not installed")
        moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
        pytest.importorskip("s3fs", reason="s3fs is not installed")
        self._app = moto.DomainDispatcherApplication(moto.create_backend_app)
        self.fault: Callable[[dict[str, Any], Any], Any] | None = None
        self._server = serving.make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.options = {
            "key": "test",
            "secret": "test",
            "endpoint_url": f"http://127.0.0.1:{self._server.port}",
            "client_kwargs": {"region_name": "eu-west-1"},
        }

    def make_bucket(self, name: str) -> str:
        """Make a bucket and return its URL."""
        import s3fs

        s3fs.S3FileSystem(**self.options).mkdir(name)
        return f"s3://{name}/blobs"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        answer = None if self.fault is None else self.fault(environ, start)
        return self._app(environ, start) if answer is None else answer


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    server = S3()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: S3) -> Iterator[S3]:
    yield s3_server
    s3_server.fault = None


@pytest.fixture
def db(databases: Databases, tmp_path: Path) -> Database:
    """A fresh database with the ledger, once of each kind."""
    database = databases.open(tmp_path / "detent.db")
    migrate(database, ["detent.store"])
    return database
