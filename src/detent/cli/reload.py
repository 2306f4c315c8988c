"""`detent reload`: fresh serving processes, without a lost request."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("reload")
@click.pass_obj
def command(folder: Path) -> None:
    """Replace the processes of the running `detent up` or `detent serve` one by one, for new code; no request is lost.

    The same as sending SIGHUP to it. It goes on with the detent.yaml and the environment that it was started with;
    when one of its new processes does not get ready, the one before goes on.
    """
    from detent.loop.hosts.open_host import open_server
    from detent.loop.servers.reload import processes, reload

    done = reload(open_server(folder), tell=click.echo)
    click.echo(f"restarted {processes(done.processes)} in {done.seconds:.1f} s")
