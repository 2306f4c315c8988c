"""A process of its own for models that are code (pickles, pyfunc folders): it computes, and can do nothing else.

In: a folder with the model, columns of values. Out: float64 scores. No pickle ever crosses back.
"""
