"""How the processes of many weeks share a machine."""

from __future__ import annotations

import os

from detent.testing.sim.many import cores_for


def test_each_process_has_a_core_of_its_own_only_where_they_take_all_of_them() -> None:
    every = sorted(os.sched_getaffinity(0))
    assert cores_for(len(every)) == every
    assert cores_for(len(every) + 1) == [None] * (len(every) + 1)  # some would have to share
    assert cores_for(len(every) - 1) == [None] * (len(every) - 1)  # others may be at work on any of them
