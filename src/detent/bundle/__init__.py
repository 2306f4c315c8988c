"""The model file format: what a run produces, what the gate judges and what a server loads.

In: a folder with a model, its signature, its reference profile and golden rows. Out: a signed, verified
folder and a predictor.
This package knows files, digests and scores; it knows nothing about training, the registry or traffic.
Entries: `pack.pack`, `verify.verify`, `verify.admit`, `load.load`; not re-exported, so that keys cost no NumPy.
"""
