"""Jobs -> outcomes: where and how a step's function is called.

In: a job (code by name, arguments by digest). Out: artifacts, or what went wrong. It knows nothing about graphs, caches
or retries: those are decided by the run.
"""
