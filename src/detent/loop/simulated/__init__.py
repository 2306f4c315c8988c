"""History dealt out under a virtual clock, over HTTP, and what must have happened at its end.

In: rows with times. Out: a loop that lived through them, and its report.
"""
