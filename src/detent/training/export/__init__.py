"""Trained models to ONNX graphs, with the preprocessing inside.

In: encodings, trees or a fitted estimator. Out: deterministic bytes: no uuid, no date, no order of a dictionary.
"""
