"""Several hosts with one database: a route that all follow, and answers that come back to who decides.

In: the shared database. Out: each host's page of routes; parcels of answers taken into the log.
"""
