"""The only place that knows two rooms: it turns the wheel.

In: a project folder and a clock. Out: candidates judged, versions released, windows watched, retrainings asked for.
Each file is one arc: train, judge, release, watch, control; `simulate` turns them under a virtual clock.
"""
