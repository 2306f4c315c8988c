"""People who are told: a channel that may fail before or after it took an alert, and remembers what it took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from detent.loop.workspace import Workspace
from detent.monitor import outbox
from detent.monitor.protocol import ChannelError
from detent.records.alert import Alert
from detent.records.event import Fact
from detent.testing.sim.ports import SEND, SENT
from detent.testing.sim.process import Process

PATIENCE = 600.0  # real seconds


@dataclass(slots=True)
class People:
    """What arrived: (key of the alert, how often, and how much had gone wrong by each time)."""

    arrived: dict[str, list[int]] = field(default_factory=dict)
    mute: bool = False  # nobody takes anything now

    def channel(self, process: Process, troubles: Callable[[], int]) -> Taker:
        """Return the channel as one process has it."""
        return Taker(self, process, troubles)


class Taker:
    """One process' way to people."""

    def __init__(self, people: People, process: Process, troubles: Callable[[], int]) -> None:
        self._people, self._process, self._troubles = people, process, troubles

    def send(self, alert: Alert) -> None:
        """Take an alert.

        Raises:
            ChannelError: nobody takes it.
        """
        self._process.port(SEND)
        if self._people.mute:
            raise ChannelError(what="people take nothing", why="the simulated channel is mute", fix="wait")
        self._people.arrived.setdefault(outbox.alert_id(alert), []).append(self._troubles())
        self._process.port(SENT)


def send_through(channel: Taker) -> Callable[[Workspace], None]:
    """Return what delivers a workspace's alerts through the channel, as `loop.channels.send_due` does."""

    def send(ws: Workspace) -> None:
        if not outbox.pending(ws.db):
            return
        for fault in outbox.deliver(ws.db, {"log": channel}, now=ws.now(), seconds=PATIENCE, actor=ws.actor):
            fact = Fact(
                kind="alert.undelivered",
                subject=f"endpoint:{ws.project.serving.endpoint}",
                actor=ws.actor,
                payload={"error": fault.what},
            )
            ws.record(fact)

    return send
