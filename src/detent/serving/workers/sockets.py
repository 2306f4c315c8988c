"""The sockets that a supervisor owns: one per worker, all on one port, so that the port outlives any worker."""

from __future__ import annotations

import socket
import time

from detent.errors import BusyError

_LOOK_SECONDS = 0.02


def listeners(host: str, port: int, count: int, *, key: str, patience: float) -> list[socket.socket]:
    """Bind so many sockets to one port (0: any free one); the kernel spreads new connections over them.

    Args:
        host: address to listen on.
        port: of all of them.
        count: how many.
        key: where the port stands in detent.yaml, for the error.
        patience: seconds to wait for a port that is taken.

    Raises:
        BusyError: the port is taken, or the address is not one of this machine.
    """
    sockets: list[socket.socket] = []
    bound = port
    try:
        _refuse_shared_port(host, port, patience)
        for _ in range(count):
            listener = socket.socket(_family(host), socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((host, bound))
            listener.listen(2048)
            bound = listener.getsockname()[1]
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise BusyError(
            what=f"the port {host}:{port} can't be used",
            why=f"the operating system says: {error.strerror or error}",
            fix=f"stop the other server, or choose another `{key}`",
        ) from error
    return sockets


def address_of(listener: socket.socket, *, secure: bool = False) -> str:
    """Return where a socket is reached: `http://host:port`."""
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{host}:{port}"


def _refuse_shared_port(host: str, port: int, patience: float) -> None:
    """Raise OSError when somebody listens on the port: with SO_REUSEPORT, binding would share it without a word.

    Workers of a supervisor that was killed let go of it once they have answered what they had, so it is waited for.
    """
    deadline = time.monotonic() + patience
    while port:
        with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                if time.monotonic() > deadline:
                    raise
            else:
                return
        time.sleep(_LOOK_SECONDS)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
