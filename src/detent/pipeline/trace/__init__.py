"""A step that runs -> what it read besides its declared inputs, wrote, connected to and started.

In: a project folder, and the moments at which a step begins and ends. Out: an Observation; a cached result counts only
while every read of it is unchanged. It knows nothing about steps, keys or caches. Files of a worker process are seen by
the kernel's seccomp notifications (`watch.py`), which miss neither native libraries nor child processes; where the
kernel refuses them, by Python's audit hook. `landlock.py` forbids what others only record.
"""
