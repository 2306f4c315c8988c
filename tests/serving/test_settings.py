from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from detent.serving.workers.settings import SupervisorSettings, from_argument, to_argument


def test_a_worker_gets_what_the_supervisor_was_told(tmp_path: Path) -> None:
    settings = SupervisorSettings(
        state=tmp_path, endpoints=("a", "b"), public_key=bytes(32), workers=3, entity=(("a", "tail"),),
        clock_file=tmp_path / "clock", api_key_digest="0" * 64,
    )  # fmt: skip
    worker = from_argument(to_argument(settings.worker(2, 7, "life")))
    assert (worker.slot, worker.listener, worker.life, worker.state) == (2, 7, "life", str(tmp_path))
    assert (worker.endpoints, worker.entity) == (("a", "b"), (("a", "tail"),))
    assert (worker.clock_file, worker.public_key) == (str(tmp_path / "clock"), "00" * 32)
    assert settings.slots == 3


def test_zero_workers_means_one_per_core(tmp_path: Path) -> None:
    assert SupervisorSettings(state=tmp_path, endpoints=(), public_key=b"").slots >= 1


def test_what_no_supervisor_wrote_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        from_argument("{}")
