from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from detent.bundle.pack import manifest_digest, pack
from detent.bundle.sign import seal, sign, write_verdict

from .builders import FACTS, KEY, make_graph, make_verdict, write_model


@pytest.fixture(scope="session")
def graph() -> bytes:
    return make_graph().SerializeToString(deterministic=True)


@pytest.fixture
def make_bundle(tmp_path: Path, graph: bytes) -> Callable[..., Path]:
    """A function that writes a packed, signed and passed bundle into a new folder."""

    def make(name: str = "bundle", decision: str = "pass") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write_model(folder, graph)
        pack(folder, facts=FACTS)
        sign(folder, KEY)
        write_verdict(folder, seal(make_verdict(manifest_digest(folder), decision), KEY))
        return folder

    return make


@pytest.fixture
def bundle(make_bundle: Callable[..., Path]) -> Path:
    return make_bundle()
