"""Numbers about answers that outlive their worker, and their text for Prometheus."""
