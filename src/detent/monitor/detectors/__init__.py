"""Detectors: one test of two samples of a column per file. In: two samples over the same cells. Out: a Reading."""
