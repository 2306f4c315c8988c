"""What PostgreSQL announces to those who wait (LISTEN, NOTIFY)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from detent.errors import StoreError
from detent.store.postgres.connect import Connection


class PostgresChanges:
    """Waits for announcements. They are hints: a connection that is cut loses some, and `wait` then says True."""

    def __init__(self, topic: str, connect: Callable[[], Connection]) -> None:
        self._topic, self._connect = topic, connect
        self._connection: Connection | None = None

    def __enter__(self) -> PostgresChanges:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def wait(self, seconds: float) -> bool:
        """Wait until something was announced; False when `seconds` passed. The first call returns at once."""
        until = time.monotonic() + seconds
        try:
            connection = self._connection
            if connection is None:
                self._connection = self._connect()
                self._connection.execute(f'LISTEN "{self._topic}"'.encode(), prepare=False)
                return True  # what was announced before is lost
            heard = any(True for _ in connection.notifies(timeout=seconds, stop_after=1))
            if heard:
                for _ in connection.notifies(timeout=0):  # several at once are one
                    pass
            return heard
        except (psycopg.Error, StoreError):
            self._drop()
            time.sleep(max(0.0, until - time.monotonic()))
            return False

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
