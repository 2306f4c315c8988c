"""Small files that every worker reads on every request: routes, API keys; and what a key may ask."""
