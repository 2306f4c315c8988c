"""Windows of what was served, looked at once each has ended, and again when their labels are in.

In: counts and rows of the log. Out: findings of drift, broken data and quality.
"""
