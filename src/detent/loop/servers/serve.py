"""Serving processes as the loop sees them: started here, or found running beside us."""

from __future__ import annotations

import hashlib
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from detent.errors import Place, ProjectError
from detent.loop.releases.traffic import PREPARE_SECONDS
from detent.loop.workspace import Opened, ServingHost, Workspace
from detent.project.environment import read_environment
from detent.records.front import Front
from detent.serving import hosts, places
from detent.serving.counts.counters import held_slots
from detent.serving.http.paths import MANAGE, METRICS
from detent.serving.pages import keyring
from detent.serving.pages.routes import RoutePage
from detent.serving.workers import acknowledge
from detent.serving.workers.settings import SupervisorSettings
from detent.serving.workers.supervisor import Supervisor
from detent.store.lock import held_lock
from detent.trigger import declare

LOOK_SECONDS = 0.02


class OwnGateway:
    """Serving processes of this process' supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def prepare(self, versions: Sequence[int], timeout: float = PREPARE_SECONDS) -> Mapping[int, str]:
        """Wait until every process holds the versions."""
        return self._supervisor.prepare(versions, timeout)

    def settle(self) -> None:
        """Wait until shadows have answered what they were given."""
        self._supervisor.settle(10.0)


class NeighbourGateway:
    """Serving processes that another command (`detent up`) runs on this machine; nobody, when none does."""

    def __init__(self, ws: Workspace) -> None:
        self._state, self._model = ws.state, ws.model

    def prepare(self, versions: Sequence[int], timeout: float = PREPARE_SECONDS) -> Mapping[int, str]:
        """Wait until every living process holds the versions; nothing to wait for when nobody serves."""
        seq = RoutePage(places.route_page(self._state)).seq()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            said = self._said()
            if all(one is not None and one.page_seq >= seq for one in said):
                reasons = {name: why for one in said if one is not None for name, why in one.refused.items()}
                wanted = {number: f"{self._model}/{number}" for number in versions}
                return {number: reasons[name] for number, name in wanted.items() if name in reasons}
            time.sleep(LOOK_SECONDS)
        return dict.fromkeys(versions, f"the serving processes did not answer within {timeout:g} seconds")

    def settle(self) -> None:
        """Shadows of another process are read as they stand."""

    def serves(self) -> bool:
        """Return whether any process of this state lives."""
        return bool(held_slots(places.counter_files(self._state)))

    def _said(self) -> list[acknowledge.Acknowledgement | None]:
        """Return what each living process of this state says; None for one that has only just begun."""
        folder = places.acknowledgements(self._state)
        return [acknowledge.read(folder, slot) for slot in held_slots(places.counter_files(self._state))]


def only_server(ws: Opened) -> AbstractContextManager[None]:
    """Hold the right to serve this state while the block runs; it is free again when the process dies.

    Raises:
        BusyError: another `detent up` or `detent serve` serves it; its process id is named.
    """
    return held_lock(
        server_lock(ws),
        what="detent up is running already",
        why="process {pid} serves this project; two would move its traffic and write its log at once",
        fix="use that one, or end process {pid} and try again",
    )


def server_lock(ws: Opened) -> Path:
    """Return the file that who serves this state holds, with its process id inside."""
    return ws.state / "up.lock"


def supervise(
    ws: Workspace | ServingHost,
    *,
    port: int,
    host: str = "127.0.0.1",
    clock_file: Path | None = None,
    managed: bool = False,
) -> Supervisor:
    """Return the supervisor of the project's serving processes, not yet started.

    With `managed` there is a second port for those who run the server, as detent.yaml says.

    Raises:
        ProjectError: a file of `serving.tls` is missing or is no key or certificate.
    """
    project, key = ws.project, read_environment().api_key
    entity, front = project.features.entity, project.serving.front
    keyring.publish_if_any(ws.state, ws.db)
    site = 0
    with ws.db.transaction() as tx:
        if isinstance(ws, Workspace):
            declare(tx, ws.model, project.trigger.webhooks)
        if ws.shared:
            site = hosts.enrol(tx, ws.state, project.serving.endpoint, ws.now())
    certificate, private_key = _tls(ws.folder, front)
    return Supervisor(
        SupervisorSettings(
            state=ws.state,
            endpoints=(project.serving.endpoint,),
            public_key=ws.public_key,
            workers=project.serving.workers,
            host=host,
            port=port,
            entity=((project.serving.endpoint, entity),) if entity else (),
            clock_file=clock_file,
            api_key_digest=hashlib.sha256(key.reveal().encode()).hexdigest() if key else None,
            entry=(sys.executable, "-m", "detent.loop.servers.serving_entry"),
            log=project.serving.log,
            fast_path=front.fast_path,
            timeout=front.timeout.total_seconds(),
            most_open=front.most_open,
            scores=((project.serving.endpoint, front.score),) if front.score else (),
            manage=(front.manage_host, _after(port, front.manage_port)) if managed else None,
            hidden=(METRICS, MANAGE) if managed and not front.public_metrics else (),
            certificate=certificate,
            private_key=private_key,
            origins=front.origins,
            site=site,
        )
    )


def needs_key(ws: Opened) -> bool:
    """True when callers have to show a key: one is in the environment, or keys were made."""
    return read_environment().api_key is not None or bool(keyring.all_keys(ws.db))


def _after(port: int, manage: int | None) -> int:
    if manage is not None:
        return manage
    return port + 1 if 0 < port < 65535 else 0


def _tls(folder: Path, front: Front) -> tuple[str | None, str | None]:
    """Return the absolute paths of certificate and key, which were tried."""
    if front.certificate is None or front.private_key is None:
        return None, None
    certificate, private_key = folder / front.certificate, folder / front.private_key
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key)
    except OSError as error:  # ssl.SSLError is one
        raise ProjectError(
            what="TLS can't be used",
            why=f"{front.certificate} and {front.private_key}: {error.strerror or error}",
            fix="give the certificate chain and its key, without a password, as PEM files inside the project",
            where=Place(file="detent.yaml", field="serving.tls"),
        ) from error
    return str(certificate), str(private_key)
