"""`detent up`: serve and keep watch."""

from __future__ import annotations

import signal
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from detent.loop.workspace import Opened

TICK_SECONDS = 1.0


@click.command("up")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: serving.port of detent.yaml).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.pass_obj
def command(folder: Path, port: int | None, host: str) -> None:
    """Serve the champion on this machine, and watch, retrain and roll out until stopped (Ctrl-C).

    SIGHUP, or `detent reload`, replaces the serving processes one by one.

    Listening beyond this machine needs a key: make one with `detent keys add`, or set DETENT_API_KEY. Callers send it
    as a bearer token. Metrics are on a port of their own, which only this machine reaches unless detent.yaml says more.
    """
    from detent.cli.hangup import on_hangup
    from detent.loop.controller import Controller
    from detent.loop.hosts.follow import Follower
    from detent.loop.hosts.sending import Sending
    from detent.loop.servers.keep_up import keep_up
    from detent.loop.servers.reload import Reloads
    from detent.loop.servers.serve import OwnGateway, only_server, supervise
    from detent.loop.telling import Telling
    from detent.loop.workspace import open_workspace
    from detent.pipeline import LocalExecutor

    ws = open_workspace(folder, actor="controller")
    require_key(ws, host)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    supervisor = supervise(ws, port=ws.project.serving.port if port is None else port, host=host, managed=True)

    def tell(text: str) -> None:
        click.echo(f"{ws.now():%H:%M:%S}  {text}")

    reloads = Reloads(ws, supervisor, tell=tell)
    on_hangup(reload=reloads.ask, stop=stop.set)
    executor = LocalExecutor(workers=2)
    follower = Follower(ws, supervisor, tell=tell) if ws.shared else None
    sending = Sending(ws, tell=tell, keeps=True) if ws.shared else nullcontext()
    with only_server(ws):
        keep_up(ws)
        if follower is not None:
            follower.converge()
        supervisor.start()
        with reloads, Telling(ws, tell=tell), follower or nullcontext(), sending:
            try:
                say_where(supervisor.address, supervisor.manage_address, ws.project.serving.endpoint)
                controller = Controller(ws, OwnGateway(supervisor), executor, tell=tell, sends=False)
                while not stop.wait(TICK_SECONDS):
                    controller.tick_safely()
            finally:
                supervisor.stop()
                executor.close()
    click.echo("stopped")


def require_key(ws: Opened, host: str) -> None:
    """Refuse to listen beyond this machine while nobody has to show a key; raises RefusedError."""
    from detent.errors import RefusedError
    from detent.loop.servers.serve import needs_key

    if host not in ("127.0.0.1", "localhost", "::1") and not needs_key(ws):
        raise RefusedError(
            what=f"serving on {host} needs a key",
            why="anybody who reaches this address could ask for predictions and send labels",
            fix="make a key with `detent keys add NAME`, or keep to --host 127.0.0.1",
        )


def say_where(address: str, manage: str, endpoint: str) -> None:
    """Print where to send what."""
    click.echo(f"serving {endpoint} at {address}  (Ctrl-C stops)")
    click.echo(f"  predict   POST {address}/v1/models/{endpoint}:predict")
    click.echo(f"  feedback  POST {address}/feedback")
    click.echo(f"  metrics   GET  {manage}/metrics")
