"""The whole loop of a simulated week in one process: no sockets, no waiting, a virtual clock, and random faults.

In: a project, and a seed. Out: what happened, line by line, and which promise was broken, if any. All parts are the
real ones; only what lies outside (time, the disk's moods, people, callers, the training itself) is played.
"""
