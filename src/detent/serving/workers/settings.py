"""What a serving process has to know, handed over as one JSON argument: it reads no environment."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from detent.records.front import FallbackScore
from detent.records.log import LogPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Everything one worker process is told at its start."""

    state: str  # the project's state folder, absolute
    slot: int  # 0, 1, 2 ...: names its socket, counters, log segments and acknowledgement
    endpoints: tuple[str, ...]  # endpoints that must have a serving version before the worker is ready
    public_key: str  # Ed25519 public key, hex: only what its owner signed and sealed is served
    entity: tuple[tuple[str, str], ...] = ()  # (endpoint, input field that keeps a caller on one arm)
    listener: int | None = None  # inherited descriptor of a listening socket; None: bind host and port
    host: str = "127.0.0.1"
    port: int = 0
    clock_file: str | None = None  # the shared virtual clock; None: the machine's time
    api_key_digest: str | None = None  # sha256 of the API key, hex; None: predict and metrics are open
    life: str = ""  # tells this process from an earlier one: in a container, process ids repeat
    parent: int = 0  # process id of the supervisor; the worker ends when it is gone. 0: nobody's child
    log: LogPlan = field(default_factory=LogPlan)
    log_bytes: int = 16 << 20  # size at which a segment of the prediction log is sealed
    grace: float = 10.0  # seconds that requests in flight get at a stop
    fast_path: bool = True  # False: every request goes through ASGI; the answers are the same
    workers: int = 1  # processes of this server: they share the limits of keys
    timeout: float = 30.0  # seconds that a caller waits at most
    most_open: int = 1024  # requests that may wait for their answers at once
    scores: tuple[tuple[str, FallbackScore], ...] = ()  # (endpoint, the answer when no version has one)
    manage_listener: int | None = None  # inherited descriptor of the management port; None: there is none
    hidden: tuple[str, ...] = ()  # accesses of `paths.Rule` that the public port does not answer
    certificate: str | None = None  # file with the certificate chain of the public port; None: plain HTTP
    private_key: str | None = None  # file with its key
    origins: tuple[str, ...] = ()  # web pages whose scripts may ask
    profiles: bool = True  # False: what is answered is not counted for the monitor
    site: int = 0  # number of this host among those that share the database; 0: there are no others


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSettings:
    """Everything the supervisor of the workers is told."""

    state: Path
    endpoints: tuple[str, ...]
    public_key: bytes  # Ed25519, 32 bytes
    workers: int = 0  # processes; 0: one per core that this process may use
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free port
    entity: tuple[tuple[str, str], ...] = ()
    clock_file: Path | None = None
    api_key_digest: str | None = None
    log: LogPlan = field(default_factory=LogPlan)
    log_bytes: int = 16 << 20
    grace: float = 10.0
    fast_path: bool = True
    timeout: float = 30.0
    most_open: int = 1024
    scores: tuple[tuple[str, FallbackScore], ...] = ()
    manage: tuple[str, int] | None = None  # host and port for those who run the server; None: one port for all
    hidden: tuple[str, ...] = ()
    certificate: str | None = None
    private_key: str | None = None
    origins: tuple[str, ...] = ()
    profiles: bool = True
    site: int = 0
    entry: tuple[str, ...] = (
        sys.executable,
        "-m",
        "detent.serving.workers.entry",
    )  # gets the settings as last argument

    @property
    def slots(self) -> int:
        """Number of worker processes."""
        return self.workers or len(os.sched_getaffinity(0))

    def worker(self, slot: int, listener: int, life: str = "", manage: int | None = None) -> WorkerSettings:
        """Return the settings of one life of the worker in a slot."""
        return WorkerSettings(
            state=str(self.state),
            slot=slot,
            endpoints=self.endpoints,
            entity=self.entity,
            listener=listener,
            host=self.host,
            port=self.port,
            clock_file=None if self.clock_file is None else str(self.clock_file),
            public_key=self.public_key.hex(),
            api_key_digest=self.api_key_digest,
            life=life,
            parent=os.getpid(),
            log=self.log,
            log_bytes=self.log_bytes,
            grace=self.grace,
            fast_path=self.fast_path,
            workers=self.slots,
            timeout=self.timeout,
            most_open=self.most_open,
            scores=self.scores,
            manage_listener=manage,
            hidden=self.hidden,
            certificate=self.certificate,
            private_key=self.private_key,
            origins=self.origins,
            profiles=self.profiles,
            site=self.site,
        )


def to_argument(settings: WorkerSettings) -> str:
    """Return the settings as one command-line argument."""
    return msgspec.json.encode(settings).decode()


def from_argument(text: str) -> WorkerSettings:
    """Return the settings that `to_argument` wrote.

    Raises:
        msgspec.ValidationError: the text is not what a supervisor writes.
    """
    return msgspec.json.decode(text, type=WorkerSettings)
