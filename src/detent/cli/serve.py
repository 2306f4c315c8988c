"""`detent serve`: one more host that answers."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click


@click.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: serving.port of detent.yaml).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.pass_obj
def command(folder: Path, port: int | None, host: str) -> None:
    """Answer predictions on this machine as the database says that DETENT_DATABASE_URL names, until stopped (Ctrl-C).

    Promotions, changes of weights, rollbacks and API keys come from the hosts of `detent up`; this one trains, judges
    and decides nothing. While the database is away it goes on with what it has. SIGHUP replaces its processes.
    """
    from detent.cli.hangup import on_hangup
    from detent.cli.up import require_key, say_where
    from detent.loop.hosts.follow import Follower
    from detent.loop.hosts.open_host import open_host
    from detent.loop.hosts.sending import Sending
    from detent.loop.servers.reload import Reloads
    from detent.loop.servers.serve import only_server, supervise

    ws = open_host(folder)
    require_key(ws, host)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def tell(text: str) -> None:
        click.echo(f"{ws.now():%H:%M:%S}  {text}")

    supervisor = supervise(ws, port=ws.project.serving.port if port is None else port, host=host, managed=True)
    reloads = Reloads(ws, supervisor, tell=tell)
    on_hangup(reload=reloads.ask, stop=stop.set)
    follower = Follower(ws, supervisor, tell=tell)
    with only_server(ws):
        follower.converge()
        with Sending(ws, tell=tell, keeps=False) as sending:
            supervisor.start()
            with reloads, follower:
                try:
                    say_where(supervisor.address, supervisor.manage_address, ws.project.serving.endpoint)
                    stop.wait()
                finally:
                    supervisor.stop()
                    sending.finish()
    click.echo("stopped")
