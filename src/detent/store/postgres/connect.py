"""From the address of a database to a connection that is fit for use. No error shows the password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from detent.errors import Place
from detent.store.postgres.faults import unfit, unreachable, unreadable
from detent.store.postgres.statements import adapt

Connection = psycopg.Connection[DictRow]

# A server that vanishes without a word is noticed within about 10 seconds. An address may say otherwise.
_LIFE = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "fallback_application_name": "detent",
}
# The same from the server's side: a client that vanished inside a transaction gives the write lock free.
_SESSION = b"""
SELECT 'B' < 'a' AS bytewise, current_setting('server_encoding') AS encoding,
    set_config('idle_in_transaction_session_timeout', '60s', false),
    set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false)
"""


def connect(reveal: Callable[[], str], where: Place) -> Connection:
    """Return a connection to the database whose address `reveal` returns; `where` is the address without secrets.

    Raises:
        StoreError: the server does not answer or does not let us in, or the database sorts texts by a language's rules.
    """
    given: dict[str, Any] = {**_LIFE, **parameters(reveal)}
    try:
        connection = Connection.connect(autocommit=True, prepare_threshold=None, row_factory=dict_row, **given)
    except psycopg.Error as error:
        # Not `from`: the frames of the cause hold the password.
        raise unreachable(_hidden(str(error), given.get("password")), where) from None
    try:
        adapt(connection)
        _check(connection, where)
    except psycopg.Error as error:
        connection.close()
        raise unreachable(str(error), where) from error
    except BaseException:
        connection.close()
        raise
    return connection


def parameters(reveal: Callable[[], str]) -> dict[str, Any]:
    """Return what an address says, by the names of libpq.

    Raises:
        StoreError: it can't be read.
    """
    try:
        return dict(conninfo_to_dict(reveal()))
    except psycopg.Error:
        raise unreadable(Place(file="DETENT_DATABASE_URL")) from None  # the cause would show a part of it


def shown(given: dict[str, Any]) -> str:
    """Return where the database is, without a password and without options."""
    user, host = given.get("user"), given.get("host") or "localhost"
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{f'{user}@' if user else ''}{host}{port}/{given.get('dbname') or user or ''}"


def _check(connection: Connection, where: Place) -> None:
    found = connection.execute(_SESSION, prepare=False).fetchone()
    assert found is not None
    if not found["bytewise"]:
        raise unfit("its texts sort by the rules of a language, and detent needs the order of their bytes", where)
    if found["encoding"] != "UTF8":
        raise unfit(f"its encoding is {found['encoding']}, which can't hold every text", where)


def _hidden(text: str, password: str | None) -> str:
    text = " ".join(text.split())
    return text.replace(password, "********") if password else text
