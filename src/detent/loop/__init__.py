"""The only place that knows two rooms: it turns the wheel.

In: a project folder and a clock. Out: candidates judged, versions released, windows watched, retrainings asked for.
Each folder is one arc (runs, judging, releases, watching, triggers ...); `controller` turns them tick by tick,
`simulated` under a virtual clock. docs/architecture.md lists them.
"""
