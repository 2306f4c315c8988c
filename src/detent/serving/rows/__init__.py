"""Bodies -> typed rows, and outcomes -> lines of an answer."""
