"""The serving process of a project: a worker whose labels and calls go into the project's database.

Started by the supervisor as `python -m detent.loop.servers.serving_entry SETTINGS`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from detent.predictions import LabelCounts, record
from detent.project.database import open_state
from detent.records.prediction import Label
from detent.serving.http.triggers import Called
from detent.serving.workers.settings import from_argument
from detent.serving.workers.worker import main
from detent.trigger import Asked, Receipt, record_call


def run(argument: str) -> None:
    """Serve until told to stop."""
    settings = from_argument(argument)
    db = open_state(Path(settings.state) / "detent.db")

    def keep(labels: Sequence[Label]) -> LabelCounts:
        with db.transaction() as tx:
            return record(tx, labels)

    def keep_call(call: Called) -> Receipt:
        with db.transaction() as tx:
            return record_call(tx, Asked(name=call.name, key=call.key, body=call.body, caller=call.caller, at=call.at))

    main(settings, record_labels=keep, record_call=keep_call)


if __name__ == "__main__":
    run(sys.argv[1])
