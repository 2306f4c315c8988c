"""A worker process that keeps calls of triggers: what `detent up` wires, in small."""

from __future__ import annotations

import sys
from pathlib import Path

from detent.serving.http.triggers import Called
from detent.serving.workers.settings import from_argument
from detent.serving.workers.worker import main
from detent.store.database import open_database
from detent.trigger import Asked, Receipt, record_call

if __name__ == "__main__":
    settings = from_argument(sys.argv[1])
    db = open_database(Path(settings.state) / "detent.db")

    def keep_call(call: Called) -> Receipt:
        with db.transaction() as tx:
            return record_call(tx, Asked(name=call.name, key=call.key, body=call.body, caller=call.caller, at=call.at))

    main(settings, record_call=keep_call)
