"""Known-bad candidates, to show that they are refused or rolled back: one file per kind, with `spoil(...) -> Model`.

In: a good model and its training rows. Out: a model with one honest fault; its card says so, but no check reads that.
`rows(...)`, where a kind has it, first makes the rows that its faulty pipeline would have made. `STOPS` says where the
candidate must be stopped at the latest; nothing here knows which check, stage or monitor is to find it.
"""
