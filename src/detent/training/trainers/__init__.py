"""Trainers: one file per library, each with `fit(frame, *, label, exclude, seed, ...) -> Model`.

In: a checked table. Out: a fitted model as one graph. Each file imports its library at its top and is loaded late.
"""
