"""The gate: evaluation in, verdict out.

In: the checks of `detent.yaml` and the evidence about a candidate (`evidence.Evidence`: labels, scores, columns).
Out: `judge.judge(...) -> Verdict` with one result per check; `render.table` shows it, `store` keeps it.
This room knows nothing about how a model is trained, where rows come from, registries or traffic. Nothing is imported
here, so that looking for this room's migrations loads no numerics.
"""
