"""Values as pickles, for steps that ask for it by `Pickled[...]`: the only stored form that can run code when read.

Equal values may give different pickles (sets have no order, shared parts are written once), so a digest that changed
says less here than elsewhere: what depends on it runs again.
"""

from __future__ import annotations

import pickle
from types import FunctionType
from typing import Any, BinaryIO

from detent.errors import DataError, RefusedError
from detent.pipeline.artifacts import PICKLE, Artifact
from detent.pipeline.codecs.annotations import asks_for_pickle
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.codecs.spool import LARGE, put_written
from detent.store.blobs import Blobs

_PROTOCOL = 5  # fixed: the default grows with Python


class _Noting(pickle.Pickler):
    """Notes the names of all classes and functions in a pickle: a change of their code changes what opening it does."""

    def __init__(self, file: BinaryIO, names: set[str]) -> None:
        super().__init__(file, protocol=_PROTOCOL)
        self._names = names

    def reducer_override(self, obj: Any) -> Any:
        kind = obj if isinstance(obj, type | FunctionType) else type(obj)
        if kind.__module__ not in ("builtins", "__main__") and "<" not in kind.__qualname__:
            self._names.add(f"{kind.__module__}:{kind.__qualname__}")
        return NotImplemented


def dump(value: Any, blobs: Blobs) -> Artifact:
    """Pickle a value.

    Raises:
        DataError: it, or something that it holds, can't be pickled.
    """
    try:
        # Nobody knows its size before: through a file.
        names: set[str] = set()
        digest = put_written(blobs, lambda file: _Noting(file, names).dump(value), size=LARGE)
    except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            what=f"a {type(value).__qualname__} can't be pickled",
            why=str(error)[:300],
            fix="keep lambdas, open files, connections and locks out of it; define classes at the top level of a file",
        ) from error
    return Artifact(digest=digest, kind=PICKLE, type=" ".join(sorted(names)))


def load(artifact: Artifact, blobs: Blobs, *, declared: Any) -> Any:
    """Return the value, if the annotation of the parameter that it is for asks for a pickle.

    Raises:
        RefusedError: it does not, or nobody's parameter takes it.
        DataError: a class or function that the pickle names is gone.
    """
    if not asks_for_pickle(declared):
        raise RefusedError(
            what="a pickled value is not opened here",
            why=f"reading one can run any code ({artifact.type or 'plain values'}), and no `Pickled` is declared",
            fix="annotate the parameter of the step that takes it as `Pickled[...]`; outside steps it is never opened",
        )
    try:
        with blobs.path(artifact.digest).open("rb") as file:
            return pickle.load(file)  # noqa: S301  (asked for, its bytes are checked, and a step's worker runs user code)
    except (AttributeError, ImportError) as error:
        raise DataError(
            what=f"a pickled value ({artifact.digest[:12]}) can't be opened",
            why=f"{type(error).__name__}: {str(error)[:300]}",
            fix="bring back what it names, or run the step again that makes it",
        ) from error
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError) as error:
        raise unreadable(artifact, error) from error
