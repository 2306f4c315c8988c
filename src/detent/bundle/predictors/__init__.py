"""Predictors: one file per way to run a model, looked up by the name in the manifest.

In: a bundle's folder and signature. Out: an object with `predict`. Nothing here checks digests: `bundle.verify` did.
"""
