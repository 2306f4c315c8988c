"""A predict request on its way: may it come in, who answers, what is logged and counted, what is told."""
