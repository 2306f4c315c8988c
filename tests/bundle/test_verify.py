from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent.bundle import codec
from detent.bundle.pack import manifest_digest
from detent.bundle.sign import seal, sign, write_verdict
from detent.bundle.verify import admit, verify
from detent.errors import RefusedError, TamperedError

from .builders import KEY, PUBLIC, make_verdict


def rewrite_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    """Edit the manifest and sign it again, as somebody with the key could."""
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (folder / "manifest.json").write_text(text)
    sign(folder, KEY)


def test_a_packed_and_signed_bundle_is_verified_and_admitted(bundle: Path) -> None:
    manifest, verdict = admit(bundle, PUBLIC)
    assert verify(bundle, None) == manifest
    assert manifest.model == "delay-risk"
    assert [name for name, _ in manifest.files] == [
        "MLmodel", "card.md", "golden.json", "model.onnx", "profile.json", "requirements.txt", "signature.json",
    ]  # fmt: skip
    assert verdict.model_digest == manifest_digest(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "signature.json", "profile.json", "golden.json", "card.md", "MLmodel"])
def test_a_changed_file_is_refused_and_named(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes((bundle / name).read_bytes() + b" ")
    with pytest.raises(TamperedError, match=f"`{name}` was changed"):
        verify(bundle, PUBLIC)


@pytest.mark.parametrize("name", ["model.onnx", "card.md", "manifest.json", "manifest.sig"])
def test_a_missing_file_is_refused_and_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(TamperedError, match=f"`{name}` is missing"):
        verify(bundle, PUBLIC)


@pytest.mark.parametrize("name", ["extra.txt", ".hidden", "deep/er.bin"])
def test_an_extra_file_is_refused_and_named(bundle: Path, name: str) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("x")
    with pytest.raises(TamperedError, match=f"`{name}` does not belong here"):
        verify(bundle, PUBLIC)


def test_a_link_is_refused_even_when_its_bytes_are_right(bundle: Path, tmp_path: Path) -> None:
    outside = tmp_path / "model.onnx"
    (bundle / "model.onnx").rename(outside)
    (bundle / "model.onnx").symlink_to(outside)
    with pytest.raises(TamperedError, match=r"`model.onnx` is not a plain file"):
        verify(bundle, PUBLIC)


def test_a_linked_manifest_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "manifest.json").rename(tmp_path / "manifest.json")
    (bundle / "manifest.json").symlink_to(tmp_path / "manifest.json")
    with pytest.raises(TamperedError, match=r"`manifest.json`"):
        verify(bundle, PUBLIC)


def test_a_pipe_in_the_folder_is_refused_and_not_read(bundle: Path) -> None:
    os.mkfifo(bundle / "pipe")
    with pytest.raises(TamperedError, match="`pipe` is not a plain file"):
        verify(bundle, PUBLIC)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "a/../../b", "a//b", "C:\\x", ".hidden", "a\n", "verdict.json", ""]
)
def test_a_name_that_leads_elsewhere_is_refused_even_when_signed(bundle: Path, name: str) -> None:
    rewrite_manifest(bundle, lambda content: content["files"].append([name, "0" * 64]))
    with pytest.raises(TamperedError, match="has no place in a manifest"):
        verify(bundle, PUBLIC)


def test_a_file_listed_twice_is_refused(bundle: Path) -> None:
    rewrite_manifest(bundle, lambda content: content["files"].append(content["files"][-1]))
    with pytest.raises(TamperedError, match="not ours"):
        verify(bundle, PUBLIC)


def test_a_manifest_without_golden_rows_is_refused(bundle: Path) -> None:
    rewrite_manifest(bundle, lambda content: content["files"].pop(2))
    (bundle / "golden.json").unlink()
    with pytest.raises(TamperedError, match=r"`golden.json` is missing"):
        verify(bundle, PUBLIC)


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"model": 3}', "[" * 5000])
def test_a_manifest_that_is_not_ours_is_refused(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(TamperedError, match=r"`manifest.json` is not a file that detent wrote"):
        verify(bundle, None)


def test_a_manifest_with_an_unknown_key_is_refused_even_when_signed(bundle: Path) -> None:
    rewrite_manifest(bundle, lambda content: content.update(trust_me=True))
    with pytest.raises(TamperedError, match="not a file that detent wrote"):
        verify(bundle, PUBLIC)


def test_an_edited_manifest_breaks_the_signature(bundle: Path) -> None:
    text = (bundle / "manifest.json").read_text().replace("delay-risk", "other-risk")
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(TamperedError, match=r"`manifest.sig`"):
        verify(bundle, PUBLIC)


def test_another_keys_signature_is_refused(bundle: Path) -> None:
    sign(bundle, Ed25519PrivateKey.generate())
    with pytest.raises(TamperedError, match=r"`manifest.sig`"):
        verify(bundle, PUBLIC)
    verify(bundle, None)


@pytest.mark.parametrize("decision", ["reject", "inconclusive"])
def test_only_a_passing_verdict_admits(make_bundle: Callable[..., Path], decision: str) -> None:
    with pytest.raises(RefusedError, match="may not take traffic") as caught:
        admit(make_bundle(decision=decision), PUBLIC)
    assert decision in caught.value.why


def test_no_verdict_is_no_admission(bundle: Path) -> None:
    (bundle / "verdict.json").unlink()
    with pytest.raises(RefusedError, match="may not take traffic"):
        admit(bundle, PUBLIC)


def test_a_verdict_about_another_bundle_does_not_admit(bundle: Path) -> None:
    write_verdict(bundle, seal(make_verdict("0" * 64), KEY))
    with pytest.raises(RefusedError) as caught:
        admit(bundle, PUBLIC)
    assert "another bundle" in caught.value.why


def test_an_edited_verdict_breaks_its_seal(make_bundle: Callable[..., Path]) -> None:
    folder = make_bundle(decision="reject")
    verdict = codec.verdict_from_json((folder / "verdict.json").read_bytes())
    write_verdict(folder, replace(verdict, decision="pass"))
    with pytest.raises(TamperedError, match=r"`verdict.json` is not sealed"):
        admit(folder, PUBLIC)


def test_a_verdict_sealed_by_another_key_does_not_admit(bundle: Path) -> None:
    write_verdict(bundle, seal(make_verdict(manifest_digest(bundle)), Ed25519PrivateKey.generate()))
    with pytest.raises(TamperedError, match=r"`verdict.json` is not sealed"):
        admit(bundle, PUBLIC)


def test_a_signature_over_the_bare_verdict_is_no_seal(bundle: Path) -> None:
    verdict = make_verdict(manifest_digest(bundle))
    write_verdict(bundle, replace(verdict, signature=KEY.sign(codec.verdict_to_json(verdict)).hex()))
    with pytest.raises(TamperedError, match=r"`verdict.json` is not sealed"):
        admit(bundle, PUBLIC)


def test_a_manifest_signature_is_no_seal(bundle: Path) -> None:
    verdict = make_verdict(manifest_digest(bundle))
    write_verdict(bundle, replace(verdict, signature=(bundle / "manifest.sig").read_text()))
    with pytest.raises(TamperedError):
        admit(bundle, PUBLIC)


def test_signing_again_touches_nothing_that_a_process_may_be_checking(bundle: Path) -> None:
    verdict = make_verdict(manifest_digest(bundle))
    sign(bundle, KEY)
    write_verdict(bundle, verdict)
    before = {path.name: path.stat().st_ino for path in bundle.iterdir()}
    sign(bundle, KEY)
    write_verdict(bundle, verdict)
    assert {path.name: path.stat().st_ino for path in bundle.iterdir()} == before
    write_verdict(bundle, replace(verdict, reason="another word"))
    assert (bundle / "verdict.json").stat().st_ino != before["verdict.json"]
