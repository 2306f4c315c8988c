"""What foreign protocols say beside the rows, among a request's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detent.serving.problems import FieldError
from detent.serving.rows.validate import entity_errors, invalid


def entities_beside(parameters: Mapping[str, Any] | None, rows: int, spot: str) -> list[str | int | None] | None:
    """Return who the rows are about: `entities`, one per row, or `entity` for all rows; `spot` names the parameters.

    Raises:
        Problem: 422 when they are neither strings nor integers, or not one per row.
    """
    if not parameters:
        return None
    entities = parameters.get("entities")
    if entities is None and parameters.get("entity") is not None:
        entities = [parameters["entity"]] * rows
    errors = entity_errors(entities, rows)
    if errors:
        raise invalid([FieldError(field=f"{spot}.{error.field}", message=error.message) for error in errors])
    return entities
