"""detent: bad models cannot reach production, good ones get there and stay fresh.

Names are imported from the module of their concept: `detent.pipeline`, `detent.data`, `detent.training`,
`detent.features`, `detent.errors`, `detent.testing`. So `import detent` costs nothing, and no name stands twice.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
