"""Cases of the benchmark: one file each, with `run(cache, *, quick) -> Result`."""
