from __future__ import annotations

from detent.errors import RefusedError
from detent.records.route import Arm, Route
from detent.serving.models.loaded import LoadedVersion
from detent.serving.models.versions import Versions, wanted_by
from detent.serving.rows.validate import RowReader

from .builders import SIGNATURE
from .test_scoring import Echo


def route(
    *loaded: int, arms: tuple[int, ...] = (), shadows: tuple[int, ...] = (), fallback: int | None = None
) -> Route:
    return Route(
        endpoint="e", model="m", seq=1, arms=tuple(Arm(version=arm, weight=0) for arm in arms), shadows=shadows,
        fallback=fallback, loaded=loaded, salt="",
    )  # fmt: skip


class Door:
    """Admits what is not on its list, and remembers who came."""

    def __init__(self) -> None:
        self.refuses: dict[int, Exception] = {}
        self.came: list[int] = []
        self.loaded = 0

    def admit(self, model: str, number: int) -> LoadedVersion:
        self.came.append(number)
        if number in self.refuses:
            raise self.refuses[number]
        return LoadedVersion(model, number, Echo(), RowReader(SIGNATURE), True)

    def count(self) -> None:
        self.loaded += 1


def test_every_version_that_a_route_names_in_any_role_is_wanted() -> None:
    assert wanted_by([route(1, arms=(2,), shadows=(3,), fallback=4)]) == {("m", 1), ("m", 2), ("m", 3), ("m", 4)}
    assert wanted_by([]) == set()


def test_a_ready_version_is_not_loaded_again_and_an_unwanted_one_is_let_go() -> None:
    door = Door()
    versions = Versions(door.admit, door.count)
    versions.follow([route(1, 2)])
    first = versions.ready["m", 1]
    versions.follow([route(1, 3)])
    assert set(versions.ready) == {("m", 1), ("m", 3)}
    assert versions.ready["m", 1] is first
    assert door.came == [1, 2, 3]
    assert door.loaded == 3


def test_a_refused_version_stops_no_other_and_is_tried_again() -> None:
    door = Door()
    door.refuses = {1: RefusedError(what="no", why="because", fix="x"), 2: MemoryError("full")}
    versions = Versions(door.admit, door.count)
    versions.follow([route(1, 2, 3)])
    assert set(versions.ready) == {("m", 3)}
    assert versions.refused == {("m", 1): "no: because", ("m", 2): "it can't be loaded: MemoryError: full"}
    door.refuses = {}
    before = versions.generation
    versions.follow([route(1, 2, 3)])
    assert set(versions.ready) == {("m", 1), ("m", 2), ("m", 3)}
    assert versions.refused == {}
    assert versions.generation > before


def test_following_the_same_routes_changes_nothing() -> None:
    door = Door()
    versions = Versions(door.admit, door.count)
    versions.follow([route(1)])
    before = versions.generation
    versions.follow([route(1)])
    assert versions.generation == before
