from __future__ import annotations

from pathlib import Path

from detent.bundle.files import SIGNATURE_NAME, VERDICT_NAME, bundle_bytes


def test_a_bundle_does_not_grow_by_being_judged_and_signed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"x" * 1000)
    (tmp_path / "manifest.json").write_bytes(b"x" * 30)
    (tmp_path / "model" / VERDICT_NAME).write_bytes(b"x" * 5)  # a file of the model that has the name by chance
    before = bundle_bytes(tmp_path)
    (tmp_path / SIGNATURE_NAME).write_bytes(b"x" * 64)
    (tmp_path / VERDICT_NAME).write_bytes(b"x" * 5000)
    assert (before, bundle_bytes(tmp_path)) == (1035, 1035)
