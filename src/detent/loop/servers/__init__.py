"""Serving processes as the loop sees them: started, found running, brought up to date, replaced.

In: a workspace. Out: processes that answer by the current route.
"""
