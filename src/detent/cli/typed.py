"""Words and numbers as typed on a command line, and what is not accepted of them."""

from __future__ import annotations

from math import isfinite
from typing import Any

import click


class Number(click.FloatRange):
    """A number in a range. Python reads `nan` and `inf` too, and `nan` is in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is no number to reckon with", param, ctx)
        return number


class Words(click.ParamType):
    """A text that says something: it goes into the ledger, where somebody will look for it."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text, or fail."""
        if not value.strip():
            self.fail("say why in some words", param, ctx)
        return value
