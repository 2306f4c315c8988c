"""Lineage as OpenLineage 2-0-2 events: executions in, events out, and sinks that take them.

`events.py` is pure. `sinks.py` knows files and HTTP, `outbox.py` how far each sink has been told. None of them imports
the OpenLineage client: an event is a plain dict, and the tests hold it against the published definitions.
"""
