"""Faults over HTTP, between a real S3 client and a real S3 API."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from detent.errors import StoreError
from detent.store.blobs import RemoteBlobs, open_blobs

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>said by the test</Message></Error>"


class Answer:
    """Answers matching requests in the server's place, so many times."""

    def __init__(self, status: str, code: str, *, method: str, times: int = 1_000_000) -> None:
        self.status, self.body, self.method, self.times = status, ERROR.format(code=code).encode(), method, times
        self.given = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes] | None:
        if environ["REQUEST_METHOD"] != self.method or self.given >= self.times:
            return None
        self.given += 1
        body = b"" if self.method == "HEAD" else self.body
        start(self.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


class Cut:
    """Promises a body and closes the connection in the middle of it, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes] | None:
        if environ["REQUEST_METHOD"] != "GET" or not self.left:
            return None
        self.left -= 1
        start("200 OK", [("Content-Length", "5"), ("ETag", '"x"')])
        return [b"he"]


@pytest.fixture
def blobs(s3: Any, tmp_path: Path) -> RemoteBlobs:
    bucket = f"faults-{abs(hash(str(tmp_path)))}"
    options = {**s3.options, "config_kwargs": {"retries": {"max_attempts": 1}}}
    blobs = cast(RemoteBlobs, open_blobs(s3.make_bucket(bucket), cache=tmp_path / "cache", options=options))
    blobs.put(b"before")
    return blobs


def test_a_store_that_is_busy_for_a_moment_is_asked_again(s3: Any, blobs: RemoteBlobs) -> None:
    s3.fault = busy = Answer("503 Slow Down", "SlowDown", method="PUT", times=3)
    name = blobs.put(b"hello")
    s3.fault = Answer("503 Slow Down", "SlowDown", method="GET", times=3)
    assert blobs.get(name) == b"hello"
    assert busy.given == 3


def test_access_that_is_denied_is_said_at_once(s3: Any, blobs: RemoteBlobs) -> None:
    for method in ("PUT", "HEAD"):
        s3.fault = denied = Answer("403 Forbidden", "AccessDenied", method=method)
        with pytest.raises(StoreError, match="denies access") as caught:
            blobs.put(b"hello")
        assert "credentials" in caught.value.fix
        assert denied.given == 1
    s3.fault = None
    assert len(list(blobs.names())) == 1


def test_a_connection_that_breaks_in_a_body_is_made_again(s3: Any, blobs: RemoteBlobs) -> None:
    name = blobs.put(b"hello")
    s3.fault = Cut(2)
    assert blobs.get(name) == b"hello"
    assert s3.fault.left == 0


def test_a_connection_that_always_breaks_gives_an_error_and_no_bytes(
    s3: Any, blobs: RemoteBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)  # its own, below ours
    name = blobs.put(b"hello")
    s3.fault = Cut(1_000_000)
    with pytest.raises(StoreError, match=r"can't be read|is damaged"):
        blobs.get(name)


def test_a_bucket_that_is_not_there_is_named(s3: Any, tmp_path: Path) -> None:
    blobs = open_blobs("s3://no-such-bucket/blobs", cache=tmp_path / "cache", options=s3.options)
    with pytest.raises(StoreError, match="make the bucket") as caught:
        blobs.put(b"hello")
    assert "no-such-bucket" in str(caught.value)
    assert list(blobs.names()) == []


def test_a_store_that_nobody_answers_for_is_given_up_in_bounded_time(s3: Any, tmp_path: Path) -> None:
    options = {**s3.options, "endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"retries": {"max_attempts": 1}}}
    blobs = open_blobs("s3://bucket/blobs", cache=tmp_path / "cache", options=options)
    begun = time.monotonic()
    with pytest.raises(StoreError, match="check the address and the network"):
        blobs.put(b"hello")
    assert time.monotonic() - begun < 60


def test_no_credentials_are_said_at_once(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {key: value for key, value in s3.options.items() if key not in ("key", "secret")}
    blobs = open_blobs("s3://bucket/blobs", cache=tmp_path / "cache", options=options)
    with pytest.raises(StoreError, match="give credentials"):
        blobs.put(b"hello")
