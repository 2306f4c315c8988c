"""What one serving process is made of, put together once, before it loads anything."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detent.records.log import KEEP
from detent.serving import places
from detent.serving.counts.counters import Counters
from detent.serving.http.app import App, Parts
from detent.serving.http.feedback import RecordLabels
from detent.serving.http.hot import Hot
from detent.serving.http.triggers import RecordCall
from detent.serving.identifiers import PredictionIds, load_or_create_key, start_of
from detent.serving.logs.log import PredictionLog
from detent.serving.models.admission import admit_version
from detent.serving.models.breaker import CLOSED
from detent.serving.models.lanes import Lane
from detent.serving.models.loaded import LoadedVersion
from detent.serving.models.locate import Locate, locate_by_index
from detent.serving.models.versions import Versions
from detent.serving.pages import keyring
from detent.serving.pages.keys import Keys
from detent.serving.pages.limits import Meters
from detent.serving.pages.routes import RoutePage
from detent.serving.predict.door import Door
from detent.serving.predict.endpoints import Endpoints
from detent.serving.predict.gateway import Gateway
from detent.serving.predict.granules import Counting
from detent.serving.predict.shadows import Shadows
from detent.serving.predict.tickets import is_gone
from detent.serving.workers.settings import WorkerSettings
from detent.store.clock import Clock, SystemClock, VirtualClock

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The parts of one process that its life has to do with."""

    clock: Clock
    page: RoutePage
    counters: Counters
    versions: Versions
    endpoints: Endpoints
    log: PredictionLog
    shadows: Shadows
    counting: Counting | None  # None: answers are not counted by bins
    keys: Keys
    hot: Hot
    app: App


def assemble(
    settings: WorkerSettings,
    *,
    locate: Locate | None,
    record_labels: RecordLabels | None,
    record_call: RecordCall | None,
) -> Assembly:
    """Put the parts of a process together; nothing is loaded and nothing is listened to yet.

    Raises:
        DetentError: the slot is taken, or a file of the state folder is damaged.
    """
    state = Path(settings.state)
    clock: Clock = SystemClock() if settings.clock_file is None else VirtualClock(Path(settings.clock_file))
    page, counters = RoutePage(places.route_page(state)), Counters(places.counter_files(state), settings.slot)
    key = load_or_create_key(places.prediction_key(state))
    ids = PredictionIds(key, slot=settings.slot, start=start_of(settings.site, counters.get("starts")))
    admit = partial(admit_version, locate=locate or locate_by_index(state), public=bytes.fromhex(settings.public_key))
    versions = Versions(admit, partial(counters.add, "loads"))
    endpoints = _endpoints(settings, page, versions, counters)
    log = _log(settings, key, counters)
    shadows, counting = Shadows(counters, log), _counting(settings)
    gateway = Gateway(
        endpoints=endpoints,
        counters=counters,
        ids=ids,
        log=log,
        shadows=shadows,
        clock=clock,
        see=None if counting is None else counting.see,
    )
    meters = Meters(places.meters(state), keyring.MOST, slot=settings.slot, workers=settings.workers)
    keys = Keys(settings.api_key_digest, counters, keyring.open_page(state), meters)
    door = Door(keys, counters, timeout=settings.timeout, most_open=settings.most_open)
    hot = Hot(gateway, endpoints, counters, door, frozenset(origin.encode() for origin in settings.origins))
    app = App(
        Parts(
            hot=hot,
            endpoints=endpoints,
            counters=counters,
            counter_folder=places.counter_files(state),
            ids=ids,
            clock=clock,
            record_labels=record_labels,
            record_call=record_call,
            keys=keys,
        )
    )
    return Assembly(
        clock=clock,
        page=page,
        counters=counters,
        versions=versions,
        endpoints=endpoints,
        log=log,
        shadows=shadows,
        counting=counting,
        keys=keys,
        hot=hot,
        app=app,
    )


def _endpoints(settings: WorkerSettings, page: RoutePage, versions: Versions, counters: Counters) -> Endpoints:
    def breaker_changed(version: LoadedVersion, state: str) -> None:
        LOG.warning("action=breaker model=%s version=%d state=%s", version.model, version.number, state)
        counters.mark_breaker(version.model, version.number, opened=state != CLOSED)

    return Endpoints(
        page,
        versions,
        dict(settings.entity),
        settings.endpoints,
        scores=dict(settings.scores),
        lane=partial(Lane, timeout=settings.timeout, changed=breaker_changed, gone=is_gone),
    )


def _log(settings: WorkerSettings, key: bytes, counters: Counters) -> PredictionLog:
    return PredictionLog(
        places.segments(Path(settings.state)),
        f"w{settings.slot}",
        plan=settings.log,
        key=key,
        counters=counters,
        segment_bytes=settings.log_bytes,
    )


def _counting(settings: WorkerSettings) -> Counting | None:
    if not settings.profiles:
        return None
    folder = places.profiles(Path(settings.state))
    masked = [name for name, rule in settings.log.fields if rule != KEEP]
    return Counting(folder, f"w{settings.slot}", life=settings.life, masked=masked)
