from __future__ import annotations

from pathlib import Path

import pytest

from detent.errors import StoreError
from detent.store.database import open_database
from detent.store.mounts import is_network, mount_of, parse_mounts, require_local

TABLE = r"""
proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0
overlay / overlay rw,relatime,lowerdir=/a:/b 0 0
/dev/sda1 /home ext4 rw,relatime 0 0
filer:/export/home /home/team nfs4 rw,vers=4.2,addr=10.0.0.1 0 0
tmpfs /home/team/local tmpfs rw 0 0
//server/share /mnt/windows\040share cifs rw,vers=3.1.1 0 0
user@host: /home/me/ssh fuse.sshfs rw,nosuid,nodev 0 0
/dev/sdb1 /media/usb fuseblk rw 0 0
/dev/sdc1 /media/ntfs fuse.ntfs-3g rw 0 0
C:\134 /mnt/c 9p rw,dirsync,aname=drvfs 0 0
auto /net autofs rw 0 0
filer:/one /net nfs rw 0 0
broken line
"""
MOUNTS = parse_mounts(TABLE)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "overlay"),
        ("/srv/x", "overlay"),
        ("/home/me", "ext4"),
        ("/home/teammate", "ext4"),
        ("/home/team", "nfs4"),
        ("/home/team/project/.detent/detent.db", "nfs4"),
        ("/home/team/local/x", "tmpfs"),
        ("/mnt/windows share/x", "cifs"),
        ("/home/me/ssh/x", "fuse.sshfs"),
        ("/media/usb/x", "fuseblk"),
        ("/media/ntfs", "fuse.ntfs-3g"),
        ("/mnt/c/x", "9p"),
        ("/net/x", "nfs"),
    ],
)
def test_the_longest_mount_counts_and_of_two_the_later(path: str, kind: str) -> None:
    found = mount_of(path, MOUNTS)
    assert found is not None
    assert found.kind == kind


def test_a_table_that_says_nothing_finds_nothing() -> None:
    assert mount_of("/x", parse_mounts("")) is None
    assert mount_of("/x", parse_mounts("garbage\n\n a b\n")) is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "lustre"])
def test_filesystems_of_other_machines_are_network(kind: str) -> None:
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "fuse.ntfs-3g", "zfs", "apfs"])
def test_filesystems_of_this_machine_are_not(kind: str) -> None:
    assert not is_network(kind)


def test_a_database_on_a_network_drive_is_refused_also_through_a_link(tmp_path: Path) -> None:
    drive = tmp_path / "network drive"
    drive.mkdir()
    (tmp_path / "link").symlink_to(drive)
    table = tmp_path / "mounts"
    point = str(drive).replace(" ", "\\040")
    table.write_text(f"/dev/sda / ext4 rw 0 0\nfiler:/export {point} nfs4 rw 0 0\n")
    for path in (drive / "detent.db", tmp_path / "link" / "below" / "detent.db"):
        with pytest.raises(StoreError, match="can't lie on a network drive") as caught:
            require_local(path, table=table)
        assert "nfs4 from filer:/export" in caught.value.why
        assert "local disk, or use PostgreSQL" in caught.value.fix
    require_local(tmp_path / "detent.db", table=table)
    require_local(drive / "detent.db", table=tmp_path / "no such table")


def test_a_database_is_looked_at_before_it_is_made(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"filer:/export {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(StoreError, match="network drive"):
        open_database(tmp_path / "state" / "detent.db", mounts=table)
    assert not (tmp_path / "state").exists()
