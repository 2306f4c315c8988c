"""The log channel: one line of JSON per alert, in a file that people and log shippers read."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from detent.errors import Place
from detent.monitor.outbox import alert_id
from detent.monitor.protocol import ChannelError
from detent.records.alert import Alert
from detent.store.canonical import canonical


class LogChannel:
    """Appends to a file. Each line is one write to a file opened for appending, so lines of two processes don't mix."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, alert: Alert) -> None:
        """Append the alert with its `id`.

        Raises:
            ChannelError: the file can't be written.
        """
        line = canonical({"id": alert_id(alert), **asdict(alert)}) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ChannelError(
                what="an alert could not be written to the alert log",
                why=f"the operating system says: {error.strerror}",
                fix="free some disk space or mend the folder's permissions; the alert stays in the outbox",
                where=Place(file=str(self.path)),
            ) from error
