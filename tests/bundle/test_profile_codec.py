from __future__ import annotations

from detent.bundle.codec import profile_from_json, profile_to_json
from detent.records.profile import ColumnProfile, Profile

BEFORE = b'{"columns":[{"counts":[2,1],"edges":[0.5],"kind":"number","levels":[],"name":"x","nulls":1}],"rows":4}'
COLUMN = ColumnProfile(name="x", kind="number", edges=(0.5,), levels=(), counts=(2, 1), nulls=1)


def test_a_profile_without_anything_strange_has_the_bytes_that_it_always_had() -> None:
    profile = Profile(rows=4, columns=(COLUMN,))
    assert profile_to_json(profile) == BEFORE
    assert profile_from_json(BEFORE) == profile


def test_what_is_strange_comes_back() -> None:
    strange = ColumnProfile(
        name="x", kind="number", edges=(0.5,), levels=(), counts=(2, 1), nulls=4, nan=1, above=1, below=1, novel=1
    )
    profile = Profile(rows=7, columns=(strange,))
    assert profile_from_json(profile_to_json(profile)) == profile
