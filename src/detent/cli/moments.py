"""Times as typed on a command line."""

from __future__ import annotations

from datetime import datetime

import click

from detent.project.durations import parse_duration
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


def ago(text: str, now: datetime, option: str) -> datetime:
    """Return the moment that an age, such as 7d, or an ISO time names; `option` is where it was typed."""
    try:
        return now - parse_duration(text)
    except OverflowError:
        raise click.BadParameter(f"`{text}` lies before all time", param_hint=f"'{option}'") from None
    except ValueError:
        pass
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(
            f"`{text}` is neither an age nor a time; write for example 7d, 2013-05-01 or 2013-05-01T12:00 (UTC)",
            param_hint=f"'{option}'",
        ) from error
