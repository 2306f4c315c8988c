"""Ways to write requests and answers: detent's own JSON, and the protocols that other servers' clients speak."""
