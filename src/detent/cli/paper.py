"""Pages that commands write."""

from __future__ import annotations

from pathlib import Path

import click


def write_page(page: Path, text: str) -> None:
    """Write a page, whole or not at all, and say so.

    Raises:
        StoreError: it can't be written there.
    """
    from detent.store.atomic import unwritable, write_atomic

    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(page, error) from error
    write_atomic(page, text.encode())
    click.echo(f"wrote {page}")
