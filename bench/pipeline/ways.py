"""Which tools, in which ways of using them, take part in which table."""

from __future__ import annotations

from tool import Tool
from tools.bare import Bare
from tools.dagster import Dagster
from tools.detent import Detent
from tools.dvc import Dvc
from tools.hamilton import Hamilton
from tools.kedro import Kedro
from tools.metaflow import Metaflow
from tools.prefect import Prefect
from tools.zenml import ZenML


def timed() -> list[Tool]:
    """Each tool in the way that is right most often: with everything listed that it lets its users list."""
    return [
        Bare(),
        Detent(),
        Dvc(listed=True),
        ZenML(listed=True),
        Metaflow(),
        Prefect(listed=True, server=False),
        Prefect(listed=True, server=True),
        Kedro(missing=False),
        Dagster(listed=False),
        Dagster(listed=True),
        Hamilton(listed=True),
    ]


def judged() -> list[Tool]:
    """The columns of the truth table: each tool as it comes, and with everything listed that can be."""
    return [
        Detent(),
        Dvc(listed=False),
        Dvc(listed=True),
        ZenML(listed=False),
        ZenML(listed=True),
        Prefect(listed=False, server=True),
        Prefect(listed=True, server=True),
        Hamilton(listed=False),
        Hamilton(listed=True),
        Dagster(listed=False),
        Dagster(listed=True),
        Kedro(missing=False),
        Kedro(missing=True),
        Metaflow(),
    ]
