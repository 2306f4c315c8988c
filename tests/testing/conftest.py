"""A campaign on a small project, prepared once."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from detent.cli.scaffold import scaffold
from detent.testing.sim.campaign import Campaign, prepare


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    logging.getLogger("detent").setLevel(logging.CRITICAL)  # refused versions are part of the game
    project = scaffold(tmp_path_factory.mktemp("project") / "shop", name="shop", template="tabular")
    return prepare(project, tmp_path_factory.mktemp("campaign") / "campaign")


@pytest.fixture(scope="session")
def project(campaign: Campaign) -> Path:
    return campaign.folder / "project"
