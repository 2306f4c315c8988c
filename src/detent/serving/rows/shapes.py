"""Which inputs of a signature are logged, and as what: kept, hashed with this installation's key, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from detent.records.log import DROP, HASH
from detent.records.signature import STRING
from detent.serving.rows.validate import Row, RowReader
from detent.store.turns import encode_names, masked

LOG = logging.getLogger(__name__)
_PURPOSE = b"detent log field"  # the key also makes prediction ids: neither may tell about the other


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of one signature are logged."""

    number: int
    mask: Callable[[Row], Row] | None  # None: rows are logged as they are


class Shapes:
    """The shapes of one process. Numbers are never given twice, so a row can be written whenever it is ready."""

    def __init__(self, fields: Mapping[str, str], key: bytes) -> None:
        self._rules = {name: rule for name, rule in fields.items() if rule in (HASH, DROP)}
        self.masks_entities = bool(self._rules)  # False: they need not be looked at
        self.texts = False  # True: some rows have texts, which may be long
        self._key = key
        self._of: WeakKeyDictionary[RowReader, Shape] = WeakKeyDictionary()
        self._last: tuple[RowReader | None, Shape] = (None, Shape(-1, None))
        self._numbers: dict[tuple[str, ...], int] = {}
        self.names: dict[int, msgspec.Raw] = {}  # what frames say about each number

    def of(self, reader: RowReader) -> Shape:
        """Return the shape of a reader's rows."""
        last, shape = self._last
        if last is not reader:
            shape = self._of.get(reader)
            if shape is None:
                shape = self._of[reader] = self._make(reader)
            self._last = (reader, shape)
        return shape

    def entity(self, field: str | None, value: str) -> str:
        """Return an entity as it is logged; `field` is the input that it comes from."""
        rule = self._rules.get(field or "")
        return value if rule is None else "" if rule == DROP else self.hashed(value)

    def hashed(self, value: object) -> str:
        """Return 32 hex digits: equal for equal values, and not to be guessed without the installation's key."""
        text = str(value).encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=16, key=self._key, person=_PURPOSE).hexdigest()

    def _make(self, reader: RowReader) -> Shape:
        for name in self._rules.keys() - set(reader.names):
            LOG.warning("action=log field=%r reason='a version has no such input: is the name right?'", name)
        kept = tuple(name for name in reader.names if self._rules.get(name) != DROP)
        self.texts = self.texts or any(field.kind == STRING for field in reader.signature.inputs)
        number = self._numbers.setdefault(kept, len(self._numbers))
        self.names[number] = encode_names(kept)
        return Shape(number, self._mask(reader) if self._rules.keys() & set(reader.names) else None)

    def _mask(self, reader: RowReader) -> Callable[[Row], Row]:
        kept = [(place, self._rules.get(name) == HASH) for place, name in enumerate(reader.names)]
        kept = [(place, hash_) for place, hash_ in kept if self._rules.get(reader.names[place]) != DROP]

        def mask(row: Row) -> Row:
            return tuple([self._masked(row[place]) if hash_ else row[place] for place, hash_ in kept])

        return mask

    def _masked(self, value: object) -> Any:
        return None if value is None else masked(self.hashed(value))
