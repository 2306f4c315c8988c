"""Drift: do the rows of a window, or of several together, still look like those that the model was trained on?

In: a reference and the counts of windows. Out: findings. Pure. Knows nothing of models, files or alerts.
"""
