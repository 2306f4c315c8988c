from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from detent.bundle.keys import genuine, load, load_or_create, load_public, public_bytes
from detent.errors import RefusedError, StoreError, TamperedError


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = load_or_create(tmp_path / "keys")
    again = load_or_create(tmp_path / "keys")
    assert public_bytes(first) == public_bytes(again) == load_public(tmp_path / "keys")
    assert (tmp_path / "keys" / "signing.key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["signing.key", "signing.pub"]


def test_a_key_that_others_could_read_is_closed_again(tmp_path: Path) -> None:
    load_or_create(tmp_path)
    (tmp_path / "signing.key").chmod(0o644)
    load_or_create(tmp_path)
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(TamperedError, match="is gone"):
        load(tmp_path / "keys")
    assert not (tmp_path / "keys").exists()
    made = load_or_create(tmp_path / "keys")
    assert public_bytes(load(tmp_path / "keys")) == public_bytes(made)


def test_a_folder_that_can_not_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"in the way")
    with pytest.raises(StoreError, match="can't be written"):
        load_or_create(tmp_path / "keys")


def test_callers_at_the_same_time_end_up_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: public_bytes(load_or_create(tmp_path)), range(16)))
    assert len(set(keys)) == 1


@pytest.mark.parametrize("text", ["", "zz", "00" * 31])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "signing.key").write_text(text)
    with pytest.raises(RefusedError, match="signing key"):
        load_or_create(tmp_path)


def test_a_missing_public_key_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        load_public(tmp_path)
    assert "signing.pub" in str(caught.value)


def test_only_the_key_and_the_message_make_a_signature_genuine(tmp_path: Path) -> None:
    key, other = load_or_create(tmp_path / "a"), load_or_create(tmp_path / "b")
    signature = key.sign(b"message").hex()
    assert genuine(signature, b"message", public_bytes(key))
    assert not genuine(signature, b"massage", public_bytes(key))
    assert not genuine(signature, b"message", public_bytes(other))
    assert not genuine("no hex", b"message", public_bytes(key))
