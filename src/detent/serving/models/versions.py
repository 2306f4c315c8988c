"""The versions that this process holds ready, brought in line with what the routes ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from detent.errors import DetentError
from detent.records.route import Route
from detent.serving.models.loaded import LoadedVersion

LOG = logging.getLogger(__name__)

Name = tuple[str, int]  # (model, number)


class Versions:
    """Loaded and refused versions. `follow` runs in one loader thread; everything else only reads."""

    def __init__(self, admit: Callable[[str, int], LoadedVersion], loaded: Callable[[], None]) -> None:
        self._admit = admit
        self._loaded = loaded  # called once per version that was admitted
        self.ready: Mapping[Name, LoadedVersion] = MappingProxyType({})
        self.refused: Mapping[Name, str] = MappingProxyType({})
        self.generation = 0  # changes whenever `ready` or `refused` does

    def follow(self, routes: Iterable[Route]) -> None:
        """Load what the routes want and this process lacks, and let go of what no route wants.

        A refused version is tried again at each call, because its bundle may have been repaired. Versions become ready
        one by one; a version that is ready already is not touched.
        """
        wanted = wanted_by(routes)
        for name in sorted(wanted - self.ready.keys()):
            self._bring(name)
        self._publish(
            {name: version for name, version in self.ready.items() if name in wanted},
            {name: reason for name, reason in self.refused.items() if name in wanted},
        )

    def _bring(self, name: Name) -> None:
        model, number = name
        ready, refused = dict(self.ready), dict(self.refused)
        try:
            ready[name] = self._admit(model, number)
        except DetentError as error:
            refused[name] = f"{error.what}: {error.why}"
            LOG.warning("action=refuse version=%s/%d code=%s reason=%r", model, number, error.code, refused[name])
        except Exception as error:
            # A damaged bundle can make a library raise anything; this version is refused and the others go on serving.
            refused[name] = f"it can't be loaded: {type(error).__name__}: {error}"
            LOG.exception("action=refuse version=%s/%d", model, number)
        else:
            refused.pop(name, None)
            self._loaded()
            LOG.info("action=load version=%s/%d", model, number)
        self._publish(ready, refused)

    def _publish(self, ready: dict[Name, LoadedVersion], refused: dict[Name, str]) -> None:
        if ready != self.ready or refused != self.refused:
            self.ready, self.refused = MappingProxyType(ready), MappingProxyType(refused)
            self.generation += 1


def wanted_by(routes: Iterable[Route]) -> set[Name]:
    """Return every version that the routes name, in any role."""
    wanted: set[Name] = set()
    for route in routes:
        numbers = {*route.loaded, *route.shadows, *(arm.version for arm in route.arms)}
        if route.fallback is not None:
            numbers.add(route.fallback)
        wanted |= {(route.model, number) for number in numbers}
    return wanted
