"""What users' own tests may use: replay a project's whole loop, a clock that moves when told.

In: a project folder. Out: what happened. It knows everything below the command line.
"""

from detent.testing.replay import replay

__all__ = ["replay"]
