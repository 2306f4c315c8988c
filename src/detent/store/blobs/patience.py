"""How long a remote store is waited for, and what its faults mean."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from detent.errors import DetentError, Place, StoreError

Result = TypeVar("Result")

# Mistakes of ours, not of the store: they must not be repeated or hidden.
_BUGS = (TypeError, AttributeError, NameError, LookupError, AssertionError, MemoryError, RecursionError)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LOCKED = frozenset({errno.EROFS})


class MisplacedError(OSError):
    """The store answered, but not with what it was given: bytes are missing, wrong or not shown yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long something is tried. Waits double from `first` to `longest`, less a random part.

    No attempt begins later than `limit` after the first; one attempt may last as long as the store's own timeouts.
    """

    attempts: int = 5
    first: float = 0.1  # seconds
    longest: float = 5.0  # seconds
    limit: float = 60.0  # seconds

    def call(self, action: Callable[[], Result], *, what: str, where: str, may_appear: bool = False) -> Result:
        """Do something until it works.

        Raises:
            FileNotFoundError: it is not there; when it `may_appear` yet, only after all attempts.
            StoreError: `what` failed: the store refuses (denied, full, read-only), or went on failing.
        """
        begun, wait = time.monotonic(), self.first
        for attempt in range(1, self.attempts + 1):
            try:
                return action()
            except (DetentError, *_BUGS):
                raise
            except Exception as error:
                refusal = _refusal(error, what, where)
                if refusal is not None:
                    raise refusal from error
                seconds = time.monotonic() - begun
                last = attempt == self.attempts or seconds + wait > self.limit
                if isinstance(error, FileNotFoundError):
                    if last or not may_appear:
                        raise
                elif last:
                    raise _given_up(error, what, where, attempt, seconds) from error
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  (so that many workers don't come back at once)
            wait = min(self.longest, 2 * wait)
        raise AssertionError("the last attempt returns or raises")


def _refusal(error: Exception, what: str, where: str) -> StoreError | None:
    """Return the error for a refusal that waiting does not change; None for all others."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, PermissionError) or type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return _error(
            what, f"the store denies access: {_text(error)}", "give credentials that may read and write there", where
        )
    if number in _FULL:
        return _error(
            what, f"the store is full: {_text(error)}", "free some space there, or have the quota raised", where
        )
    if number in _LOCKED or isinstance(error, NotImplementedError):
        return _error(what, f"the store is read-only: {_text(error)}", "use a store that can be written to", where)
    return None


def _given_up(error: Exception, what: str, where: str, attempts: int, seconds: float) -> StoreError:
    times = "once" if attempts == 1 else f"{attempts} times in {seconds:.1f} s"
    why = f"it was tried {times}, and the last answer was: {_text(error)}"
    if isinstance(error, MisplacedError):
        return _error(what, why, "the store loses or changes what it is given: check it, or use another one", where)
    return _error(what, why, "check the address and the network, and try again later", where)


def _error(what: str, why: str, fix: str, where: str) -> StoreError:
    return StoreError(what=what, why=why, fix=f"{fix}; what was stored before is as it was", where=Place(file=where))


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500] if str(error) else type(error).__name__
