"""A table and its promises -> which ones it keeps, and the rows that break the others.

Judging is pure: frames, promises and a moment in, results and failing rows out. Failing rows are kept as blobs, and
every check is a row of the table `checks`, so that "the last snapshot that passed" is a query.
"""
