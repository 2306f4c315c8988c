"""Known-bad candidates, to show that they are refused or rolled back: one file per kind, with `spoil(...) -> Model`.

In: a good model and its training rows. Out: a model with one honest fault; its card says so, but no check reads that.
Nothing here knows which check, stage or monitor is to find it.
"""
