"""Times as typed on a command line."""

from __future__ import annotations

import click

from detent.store.clock import iso, parse


def moment(text: str | None) -> str | None:
    """Return the ISO time of a typed one; a date means its midnight, UTC."""
    if text is None:
        return None
    try:
        return iso(parse(text))
    except ValueError as error:
        raise click.BadParameter(
            f"`{text}` is no ISO time; write for example 2013-05-01 or 2013-05-01T12:00"
        ) from error
