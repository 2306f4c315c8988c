"""Known-bad candidates, to show that they are refused or rolled back: one file per kind, each with `spoil(...) -> Model`.

In: a good model and its training rows. Out: a model with one honest fault, which nothing in the bundle gives away.
Nothing here knows which check, stage or monitor is to find it.
"""
