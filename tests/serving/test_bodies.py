from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from detent.serving.http.bodies import MAX_BODY, read_body
from detent.serving.problems import Problem


def read(messages: list[dict[str, Any]], seconds: float = 30.0) -> bytes | None:
    left: Iterator[dict[str, Any]] = iter(messages)

    async def receive() -> dict[str, Any]:
        message = next(left, None)
        return await asyncio.Event().wait() and {} if message is None else message

    return asyncio.run(read_body({"headers": []}, receive, seconds=seconds))


def piece(data: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def test_pieces_are_put_together() -> None:
    assert read([piece(b"ab", True), piece(b"", True), piece(b"cd", False)]) == b"abcd"
    assert read([piece(b"", False)]) == b""


def test_a_caller_who_hangs_up_has_no_body() -> None:
    assert read([{"type": "http.disconnect"}]) is None
    assert read([piece(b"ab", True), {"type": "http.disconnect"}]) is None


def test_the_limit_holds_for_a_body_in_pieces_without_a_declared_length() -> None:
    half = b"x" * (MAX_BODY // 2)
    assert read([piece(half, True), piece(half, False)]) == half * 2
    with pytest.raises(Problem) as caught:
        read([piece(half, True), piece(half, True), piece(b"x", False)])
    assert caught.value.status == 413


def test_an_endless_body_is_not_read_to_its_end() -> None:
    with pytest.raises(Problem) as caught:
        read([piece(b"x" * MAX_BODY, True)] * 6)  # a seventh piece never comes
    assert caught.value.status == 413


def test_a_body_that_drips_is_given_up() -> None:
    with pytest.raises(Problem) as caught:
        read([piece(b"a", True)], seconds=0.01)
    assert caught.value.status == 408
