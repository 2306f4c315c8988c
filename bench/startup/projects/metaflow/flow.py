from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from helpers import fit, widen
from metaflow import FlowSpec, step


class Loop(FlowSpec):
    @step
    def start(self):
        self.table = np.load("data/table.npy")
        self.next(self.features)

    @step
    def features(self):
        self.rows = widen(self.table)
        self.next(self.end)

    @step
    def end(self):
        self.model = fit(self.rows)
        Path("model.json").write_text(json.dumps(self.model))


if __name__ == "__main__":
    Loop()
