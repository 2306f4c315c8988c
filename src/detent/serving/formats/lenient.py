"""JSON as Python's own encoder writes it: clients that send frames and arrays write NaN for a missing value."""

from __future__ import annotations

import re
from typing import Any

from detent.serving.rows.validate import decode_json

# A string that never ends is taken to the end of the body: looking for its end again from each quote in it would take
# quadratic time.
_STRING_OR_NAN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|NaN', re.DOTALL)

MAX_NANS = 100_000


def decode_leniently(body: bytes, reason: str = "") -> Any:
    """Return a JSON value; NaN outside a string is null. `reason` is what a stricter reader complained about.

    Raises:
        Problem: 400 when the bytes are not JSON (Infinity is not), 422 when a number in them does not fit.
    """
    if 0 < body.count(b"NaN") <= MAX_NANS:
        body = _STRING_OR_NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], body)
    return decode_json(body, reason)
