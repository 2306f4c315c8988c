"""Models that were made elsewhere, on their way to the same gate as any candidate.

In: `models:/name/3`, a file. Out: a bundle of this project, judged.
"""
