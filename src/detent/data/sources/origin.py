"""What a source outside is: rows that came from anywhere else are never taken for its rows."""

from __future__ import annotations

from importlib import import_module
from urllib.parse import urlsplit

from detent.records.project import Source
from detent.store.canonical import digest_of


def origin_of(source: Source) -> str:
    """Return the digest of everything that says which rows are meant, and by what a change is noticed.

    Of a database that is also where it lies, by the environment variable of its connection; its password is left out.
    """
    changes = source.changes
    noticed = None if changes is None else [changes.kind, changes.probe]
    return digest_of([source.source, source.sql, _address(source), noticed])


def _address(source: Source) -> str:
    if not source.connection:
        return ""
    # Late: its package brings YAML and a grammar, and a look at a URL must not cost that.
    secret = import_module("detent.project.environment").read_secret(source.connection)
    if secret is None:
        return ""
    parts = urlsplit(secret.reveal())
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}").geturl()
