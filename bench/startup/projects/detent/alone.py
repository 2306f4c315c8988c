"""Only the pipeline part of a run: no project file, contract, gate, ledger or MLflow."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from detent.pipeline import InputFrame, LocalExecutor, Workspace
from detent.pipeline.graph import build
from detent.pipeline.run import run
from detent.project.code import load_callable
from detent.store.blobs import open_blobs
from detent.store.clock import SystemClock
from detent.store.database import open_database
from detent.store.migrate import migrate

folder = Path.cwd()
state = folder / ".alone"
state.mkdir(exist_ok=True)
db = open_database(state / "detent.db")
migrate(db, ["detent.store", "detent.pipeline"])
blobs = open_blobs(str(state / "blobs"))
digest = blobs.put_file(folder / "data" / "table.parquet")  # reads and hashes the file on every run
graph = build(load_callable("flow.py:flow", folder), inputs=["table"], params={})
workspace = Workspace(folder=folder, state=state, blobs=blobs, db=db, clock=SystemClock())
executor = LocalExecutor(1)
started = time.perf_counter()
try:
    result = run(
        graph,
        inputs={"table": InputFrame(digest=digest, parts=(digest,))},
        workspace=workspace,
        run_id=f"run-{time.time_ns()}",
        executor=executor,
    )
    seconds = time.perf_counter() - started
    print(f"pipeline.run: {seconds:.4f} s")
    print("\n".join(f"{'from cache' if done.outcome == 'hit' else 'ran'}: {done.step}" for done in result.run.steps))
    if "--report" in sys.argv:
        (folder / "model.json").write_text(json.dumps(result.value("model")))
finally:
    executor.close()
