from __future__ import annotations

import os
import signal
import time

from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import Workspace
from detent.serving import places
from detent.serving.counts.counters import held_slots
from detent.serving.pages.routes import RoutePage
from detent.serving.workers import acknowledge
from detent.serving.workers.acknowledge import Acknowledgement
from detent.serving.workers.supervisor import Supervisor


def publish_again(ws: Workspace) -> None:
    """Give the same routes a new number, which every process has to acknowledge."""
    page = RoutePage(places.route_page(ws.state))
    page.write(list(page.read()[1].values()))


def test_a_process_that_another_command_runs_is_waited_for(served: Workspace, gateway: Supervisor) -> None:
    neighbour = NeighbourGateway(served)
    for pid in gateway.alive():
        os.kill(pid, signal.SIGSTOP)
    try:
        publish_again(served)
        assert "did not answer within" in neighbour.prepare([1], timeout=0.2)[1]
    finally:
        for pid in gateway.alive():
            os.kill(pid, signal.SIGCONT)
    assert neighbour.prepare([1]) == {}


def test_what_a_dead_process_said_counts_for_nothing_though_its_number_is_in_use_again(
    served: Workspace, gateway: Supervisor
) -> None:
    folder = places.acknowledgements(served.state)
    gateway.stop()
    behind = Acknowledgement(pid=os.getpid(), life="", page_seq=-1, address="", refused={"shop/1": "a reason of old"})
    acknowledge.write(folder, 0, behind)
    publish_again(served)
    assert NeighbourGateway(served).prepare([1], timeout=0.2) == {}


def test_a_process_that_was_killed_is_not_waited_for_and_its_successor_is(
    served: Workspace, gateway: Supervisor
) -> None:
    folder, counters = places.acknowledgements(served.state), places.counter_files(served.state)
    before = acknowledge.read(folder, 0)
    assert before is not None
    assert held_slots(counters)[0] == 0
    os.kill(before.pid, signal.SIGKILL)
    publish_again(served)
    deadline = time.monotonic() + 60
    while (said := acknowledge.read(folder, 0)) == before or said is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert NeighbourGateway(served).prepare([1]) == {}
    now = acknowledge.read(folder, 0)
    assert now is not None
    assert now.life != before.life
    assert now.page_seq == RoutePage(places.route_page(served.state)).seq()
