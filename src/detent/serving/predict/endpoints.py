"""A route with the loaded versions behind it: everything a request to one endpoint needs, looked up once per change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from detent.errors import did_you_mean
from detent.records.front import FallbackScore
from detent.records.route import Arm, Route
from detent.serving.models.lanes import Lane, Told
from detent.serving.models.loaded import LoadedVersion
from detent.serving.models.scoring import Outcome
from detent.serving.models.versions import Versions
from detent.serving.pages.routes import RoutePage
from detent.serving.problems import Problem, unavailable
from detent.serving.rows.validate import RowReader

MakeLane = Callable[[LoadedVersion, Told[Any]], Lane[Any]]
BY_RULE = 0  # in place of a version: the fallback score answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint as this process can serve it at this moment."""

    route: Route
    versions: Mapping[int, LoadedVersion]  # ready ones among arms, fallback and shadows
    lanes: Mapping[int, Lane[Any]]  # of the same
    refused: Mapping[int, str]  # why others are not ready
    reader: RowReader | None  # reads requests, when all versions that may answer want the same inputs
    readers: int  # distinct signatures among the versions that may answer; 0: nobody can answer
    entity: str | None  # input field that keeps a caller on one arm
    probability: bool  # labels are 0 or 1
    classes: tuple[str, ...] = ()  # labels are these: all that its versions know, sorted
    score: FallbackScore | None = None  # the answer when no version has one
    chosen: tuple[Lane[Any], ...] = ()  # of the arms that take traffic, as far as they are ready
    only: Arm | None = None  # the arm of every row, whoever it is about; None: there are several, or somebody counts

    def reader_for(self, number: int) -> RowReader:
        """Return the reader of a version, or of the one that will step in because this one is not ready."""
        version = self.versions.get(number) or self.versions.get(self.route.fallback or 0)
        return (version or next(iter(self.versions.values()))).reader

    def why_not_ready(self, number: int) -> str:
        """Say why a version that the route names can't answer."""
        return f"version {number} is not ready here: {self.refused.get(number, 'it is not loaded yet')}"


class Endpoints:
    """The newest committed routes, resolved. Ask once per request and keep the answer for its whole life."""

    def __init__(
        self,
        page: RoutePage,
        versions: Versions,
        entity: Mapping[str, str],
        known: tuple[str, ...],
        *,
        scores: Mapping[str, FallbackScore] = MappingProxyType({}),
        lane: MakeLane = Lane,
    ) -> None:
        page.make()  # its first number can be looked at from now on
        self._page, self.newest = page, page.numbers
        self.versions, self._entity, self._known = versions, entity, known
        self._scores, self._make_lane = scores, lane
        self._lanes: dict[int, Lane[Any]] = {}  # by id() of the loaded version, which the lane keeps alive
        self._told: Told[Any] = _nobody
        self.seen = self.generation = -1  # of the page and of the versions, when the table was made
        self._table: Mapping[str, Endpoint] = MappingProxyType({})

    def find(self, name: str) -> Endpoint:
        """Return an endpoint that has arms.

        Raises:
            Problem: 404 when there is no such endpoint, 503 when nothing is deployed at it.
        """
        if self.newest[0] != self.seen or self.versions.generation != self.generation:
            self._resolve()
        endpoint = self._table.get(name)
        if endpoint is not None and endpoint.route.arms:
            return endpoint
        if endpoint is not None or name in self._known:
            raise unavailable(
                "not-deployed",
                what=f"no version is deployed at the endpoint `{name}`",
                why="its route has no arms",
                fix="deploy a version that passed the gate (`detent deploy`)",
            )
        known = tuple({*self._known, *self._table})
        raise Problem(
            404,
            "unknown-endpoint",
            what=f"there is no endpoint `{name[:100]}`",
            why="no route leads there",
            fix=did_you_mean(name[:100], known) if known else "deploy a model first",
        )

    def tell(self, told: Told[Any]) -> None:
        """Say who is told what models answer; called once, before the first request."""
        self._told = told

    def queued(self) -> int:
        """Return how many rows wait for their versions."""
        return sum(lane.queued for lane in self._lanes.values())

    def close(self) -> None:
        """Let go of the threads of slow versions."""
        for lane in self._lanes.values():
            lane.close()

    def table(self) -> Mapping[str, Endpoint]:
        """Return all endpoints, after the newest route table."""
        if self.newest[0] != self.seen or self.versions.generation != self.generation:
            self._resolve()
        return self._table

    def missing(self) -> list[str]:
        """Return the names of declared endpoints at which no version can answer, sorted."""
        table = self.table()
        return sorted(name for name in self._known if name not in table or not table[name].readers)

    def _resolve(self) -> None:
        generation = self.versions.generation
        seq, routes = self._page.read()
        self._table = MappingProxyType({name: self._endpoint(route) for name, route in routes.items()})
        self.seen, self.generation = seq, generation
        ready = {id(version) for version in self.versions.ready.values()}
        for gone in [key for key in self._lanes if key not in ready]:
            self._lanes.pop(gone).close()

    def _lane(self, version: LoadedVersion) -> Lane[Any]:
        lane = self._lanes.get(id(version))
        if lane is None:
            lane = self._lanes[id(version)] = self._make_lane(version, self._told)
        return lane

    def _endpoint(self, route: Route) -> Endpoint:
        answering = {arm.version for arm in route.arms if arm.weight > 0}
        if route.fallback is not None:
            answering.add(route.fallback)
        ready, refused = self.versions.ready, self.versions.refused
        named = answering | {arm.version for arm in route.arms} | set(route.shadows)
        versions = {number: ready[route.model, number] for number in named if (route.model, number) in ready}
        readers = {
            versions[number].reader.signature: versions[number].reader for number in sorted(answering & versions.keys())
        }
        lanes = {number: self._lane(version) for number, version in versions.items()}
        entity = self._entity.get(route.endpoint)
        return Endpoint(
            route=route,
            versions=versions,
            lanes=lanes,
            refused={number: refused[route.model, number] for number in named if (route.model, number) in refused},
            reader=next(iter(readers.values())) if len(readers) == 1 else None,
            readers=len(readers),
            entity=entity,
            probability=any(version.probability for version in versions.values()),
            score=self._scores.get(route.endpoint),
            classes=tuple(sorted({name for version in versions.values() for name in version.classes})),
            chosen=tuple(lanes[arm.version] for arm in route.arms if arm.weight > 0 and arm.version in lanes),
            only=route.arms[0] if len(route.arms) == 1 and entity is None else None,
        )


def _nobody(_items: Sequence[Any], _outcomes: Sequence[Outcome]) -> None:
    raise AssertionError("nobody listens to these endpoints")
