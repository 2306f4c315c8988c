"""Labels out of a query, from any database that SQLAlchemy knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from detent.predictions.sources.protocol import Fetched, refused
from detent.project.environment import Secret, read_secret
from detent.project.labels import QUERY
from detent.records.project import LabelSource

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def fetch(source: LabelSource, folder: Path, since: datetime | None) -> Fetched:  # noqa: ARG001  (it is no file)
    """Run the query. Where it says `:since`, the time of the last look (UTC) stands, so that it can ask for less.

    Raises:
        LabelError: the variable is not set, the database does not answer or refuses the query.
    """
    name = source.connection or ""
    secret = read_secret(name)
    if secret is None:
        raise refused(
            source,
            f"the environment variable {name} is not set",
            f"set it to an SQLAlchemy URL, such as {name}=postgresql+psycopg://user:password@host/database",
        )
    query = sqlalchemy.text(source.source.removeprefix(QUERY))
    values = {"since": (since or _EARLIEST).replace(tzinfo=None)} if ":since" in query.text else {}
    try:
        engine = sqlalchemy.create_engine(secret.reveal(), poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            options = {"parameters": values}
            rows = pl.read_database(query, connection, infer_schema_length=None, execute_options=options)
    except (SQLAlchemyError, pl.exceptions.PolarsError, ImportError) as error:
        raise refused(source, _why(error, secret), "mend the query, the URL, or your rights in the database") from error
    return Fetched(rows=rows, version="")


def _why(error: Exception, secret: Secret) -> str:
    """Return the database's own words, without the URL and its password."""
    why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    try:
        password = sqlalchemy.make_url(secret.reveal()).password
    except SQLAlchemyError:
        password = None
    for hidden in (secret.reveal(), str(password) if password else ""):
        why = why.replace(hidden, "********") if hidden else why
    return why
