"""Detectors: one comparison of two column profiles per file. In: two profiles over the same bins. Out: a Reading."""
