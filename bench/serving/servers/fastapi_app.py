"""FastAPI as its tutorial writes it: pydantic models in and out. BENCH_MODE is async or sync."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel
from session import MODE, Scorer, Value


class Rows(BaseModel):
    instances: list[list[Value]]


class Scores(BaseModel):
    predictions: list[float]


app = FastAPI()
score = Scorer()

if MODE == "async":

    @app.post("/predict")
    async def predict(rows: Rows) -> Scores:
        return Scores(predictions=score(rows.instances).tolist())

else:

    @app.post("/predict")
    def predict(rows: Rows) -> Scores:
        return Scores(predictions=score(rows.instances).tolist())
