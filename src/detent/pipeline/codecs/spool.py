"""Bytes on their way into the store: small ones in memory, large ones through a file that is moved into it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from typing import BinaryIO

from detent.pipeline.codecs.scratch import new_folder
from detent.store.atomic import unwritable
from detent.store.blobs import Blobs

LARGE = 32 * 2**20  # bytes


def put_written(blobs: Blobs, write: Callable[[BinaryIO], object], *, size: int) -> str:
    """Store what `write` writes and return its digest; from about LARGE bytes on, none of it is kept in memory.

    Raises:
        StoreError: the scratch folder or the store can't be written.
    """
    if size < LARGE:
        buffer = io.BytesIO()
        write(buffer)
        return blobs.put(buffer.getvalue())
    folder = new_folder("spool")
    try:
        path = folder / "value"
        try:
            with path.open("wb") as file:
                write(file)
        except OSError as error:
            raise unwritable(path, error) from error
        return blobs.put_file(path, move=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
