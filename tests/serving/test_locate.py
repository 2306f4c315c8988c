from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from detent.errors import RefusedError, TamperedError
from detent.serving import places
from detent.serving.models.locate import Located, locate_by_index, read_index, write_index

from .builders import World


def test_the_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    entries = {"flights/2": Located(digest="d", folder="/b"), "flights/1": Located(digest="c", folder="/a")}
    assert read_index(tmp_path) == {}
    write_index(tmp_path, entries)
    assert read_index(tmp_path) == entries


def test_a_version_is_found_by_model_and_number(world: World) -> None:
    assert locate_by_index(world.state)("flights", 2) == world.folders[2]
    with pytest.raises(RefusedError, match="boats/2 is not on this machine"):
        locate_by_index(world.state)("boats", 2)


def test_a_folder_that_is_gone_or_replaced_is_refused(world: World, tmp_path: Path) -> None:
    folder = shutil.copytree(world.folders[1], tmp_path / "copy")
    world.ship(4, folder)
    locate = locate_by_index(world.state)
    assert locate("flights", 4) == folder
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(TamperedError, match="does not hold the registered bundle"):
        locate("flights", 4)
    shutil.rmtree(folder)
    with pytest.raises(TamperedError):
        locate("flights", 4)


def test_a_damaged_index_is_said_so(world: World) -> None:
    places.version_index(world.state).write_bytes(b'{"flights/1": 5}')
    with pytest.raises(TamperedError, match="index of versions"):
        read_index(world.state)
