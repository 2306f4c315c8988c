from __future__ import annotations

from pathlib import Path

import pytest

from detent.bundle.trust import check_types, folder_digest, read_trust, write_trust
from detent.errors import ProjectError, RefusedError
from detent.project.nodes import read_yaml
from detent.project.trust import read_trust as read_section
from detent.records.project import Trust


def section(folder: Path, text: str) -> Trust:
    (folder / "detent.yaml").write_text(f"trust: {text}\n")
    return read_section(read_yaml(folder / "detent.yaml").section(("trust",)).need("trust", "{}"))


def test_nothing_is_trusted_by_default() -> None:
    assert (Trust().types, Trust().pickles, Trust().remotes) == ((), (), ())


def test_the_section_is_read_as_written(tmp_path: Path) -> None:
    digest = "0a" * 32
    text = (
        f"{{types: [lightgbm.basic.Booster, collections.OrderedDict], pickles: ['sha256:{digest}'], "
        "remotes: ['http://10.0.0.7:8000'], deadline: 5s, memory_mb: 512}"
    )
    assert section(tmp_path, text) == Trust(
        types=("lightgbm.basic.Booster", "collections.OrderedDict"), pickles=(digest,),
        remotes=("http://10.0.0.7:8000",), deadline=5.0, memory=512 << 20,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "{types: [os.system]}", "{types: [builtins.eval]}", "{types: ['*']}", "{pickles: [all]}", "{pickles: ['0a']}",
        "{remotes: ['http://user@host']}", "{remotes: ['file:///etc']}", "{deadline: 2h}", "{memory_mb: 1}",
        "{all: yes}",
    ],
)  # fmt: skip
def test_what_would_trust_everything_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(ProjectError) as caught:
        section(tmp_path, text)
    assert caught.value.where is not None


def test_the_policy_travels_with_the_bundle(tmp_path: Path) -> None:
    trust = Trust(types=("a.B",), pickles=("0" * 64,), remotes=("http://h",), deadline=2.5, memory=1 << 30)
    write_trust(tmp_path, trust)
    assert read_trust(tmp_path) == trust
    write_trust(tmp_path, Trust(types=("os.system",)))
    with pytest.raises(RefusedError, match=r"`os.system` can't be trusted"):
        read_trust(tmp_path)
    (tmp_path / "trust.json").write_text("[]")
    with pytest.raises(RefusedError, match="can't be read"):
        read_trust(tmp_path)
    with pytest.raises(RefusedError):
        check_types(("eval",), "trust.json")


def test_a_folders_digest_covers_names_and_bytes_and_no_links(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "a.py").write_text("1")
    first = folder_digest(folder)
    (folder / "code" / "a.py").rename(folder / "code" / "b.py")
    second = folder_digest(folder)
    (folder / "code" / "b.py").write_text("2")
    assert len({first, second, folder_digest(folder)}) == 3
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(RefusedError, match="not a plain file"):
        folder_digest(folder)
