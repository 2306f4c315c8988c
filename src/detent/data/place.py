"""Where detent.yaml declares a dataset."""

from __future__ import annotations

from detent.errors import Place
from detent.records.project import Source


def place_of(source: Source, key: str = "source") -> Place:
    """Return where detent.yaml declares a key of this dataset."""
    return Place(file="detent.yaml", line=source.line, field=f"data.{source.name}.{key}")
