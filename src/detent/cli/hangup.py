"""SIGHUP means two things: a terminal was closed, or somebody asks a server to start its workers anew."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def on_hangup(*, reload: Callable[[], object], stop: Callable[[], object]) -> None:
    """From now on SIGHUP calls `reload`; or `stop`, when it comes because the terminal of this process is gone.

    Who ignored SIGHUP before (nohup) is meant to outlive its terminal, and is not stopped.
    """
    attached = _has_terminal()
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def hung_up(*_: object) -> None:
        nonlocal attached
        if not attached or _has_terminal():
            reload()
            return
        attached = False  # the kernel says so once; what comes later is somebody's wish
        if not outlives:
            stop()

    signal.signal(signal.SIGHUP, hung_up)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
