"""Pure numerics that several rooms share: metrics, intervals, paired comparisons, e-values, distances and summaries.

In: NumPy arrays, counts and a seed. Out: numbers. No clock, no files, no logging; the same input gives the same output.
This package knows nothing about models, gates, rollouts or where rows come from.
"""
