"""A worker process that keeps labels: what `detent up` wires, in small. It knows two rooms, as only wiring may."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from detent.predictions.labels import LabelCounts, record
from detent.records.prediction import Label
from detent.serving.workers.settings import from_argument
from detent.serving.workers.worker import main
from detent.store.database import SqliteDatabase
from detent.store.migrate import migrate

if __name__ == "__main__":
    if sys.argv[1].startswith("--largest-file="):
        limit = int(sys.argv.pop(1).partition("=")[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    settings = from_argument(sys.argv[1])
    db = SqliteDatabase(Path(settings.state) / "detent.db", timeout=0.2)
    migrate(db, ["detent.predictions"])

    def keep(labels: Sequence[Label]) -> LabelCounts:
        with db.transaction() as tx:
            return record(tx, labels)

    main(settings, record_labels=keep)
