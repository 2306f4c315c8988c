"""Object stores that fail, lie and forget: a blob is stored and read right, or there is a clear error."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from detent.errors import DetentError, StoreError, TamperedError
from detent.store.blobs import RemoteBlobs
from detent.store.blobs.patience import Patience
from detent.store.canonical import digest
from detent.store.scrub import scrub
from detent.testing.faults import Fault, FaultyFileSystem, Operation, Schedule, scripted, seeded

AT_ONCE = Patience(attempts=4, first=0.0)
LARGE = b"large" * (2 << 20)
ALL: tuple[Operation, ...] = ("look", "list", "read", "write", "remove", "move")


class Bucket(MemoryFileSystem):
    """A memory of its own that counts as an object store: an object is there as a whole, under its final name."""

    protocol = "s3"
    cachable = False
    root_marker = "/"

    def __init__(self) -> None:
        super().__init__()
        self.store = {}
        self.pseudo_dirs = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.removeprefix("s3://"))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def over(bucket: MemoryFileSystem, tmp_path: Path, schedule: Schedule) -> tuple[RemoteBlobs, FaultyFileSystem]:
    filesystem = FaultyFileSystem(bucket, schedule)
    return RemoteBlobs(filesystem, "/blobs", tmp_path / "cache", patience=AT_ONCE), filesystem


def stored(bucket: MemoryFileSystem) -> dict[str, bytes]:
    return {path: bytes(file.getvalue()) for path, file in bucket.store.items()}


def key(data: bytes) -> str:
    return f"/blobs/{digest(data)[:2]}/{digest(data)[2:]}"


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("fault", ["timeout", "late", "truncate", "drop"])
def test_a_write_that_fails_a_few_times_is_made_good(bucket: Bucket, tmp_path: Path, fault: Fault, large: bool) -> None:
    data = LARGE if large else b"hello"
    faults: list[Fault | None] = [fault] * (3 if fault in ("timeout", "late") else 1)
    blobs, filesystem = over(bucket, tmp_path, scripted(faults, on=["write"]))
    (tmp_path / "file").write_bytes(data)
    assert blobs.put_file(tmp_path / "file") == digest(data)
    assert stored(bucket) == {key(data): data}
    assert len(filesystem.made) == len(faults)


@pytest.mark.parametrize(
    ("fault", "why", "fix"),
    [
        ("timeout", "tried 4 times", "check the address and the network"),
        ("drop", "shows no object", "use another one"),
        ("truncate", "shows an object of", "the store loses or changes"),
        ("denied", "denies access", "give credentials"),
        ("full", "the store is full", "free some space"),
        ("locked", "read-only", "can be written to"),
    ],
)
def test_a_store_that_takes_nothing_is_an_error_that_says_why(
    bucket: Bucket, tmp_path: Path, fault: Fault, why: str, fix: str
) -> None:
    before, _ = over(bucket, tmp_path, scripted([]))
    before.put(b"before")
    blobs, filesystem = over(bucket, tmp_path, seeded(1, {fault: 1.0}) if fault == "timeout" else always(fault))
    (tmp_path / "file").write_bytes(LARGE)
    for act in (lambda: blobs.put(b"hello"), lambda: blobs.put_file(tmp_path / "file", move=True)):
        with pytest.raises(StoreError) as caught:
            act()
        assert why in caught.value.why
        assert fix in caught.value.fix
        assert "blobs" in str(caught.value.where)
    assert (tmp_path / "file").read_bytes() == LARGE
    assert stored(bucket) == {key(b"before"): b"before"}
    assert filesystem.made


def always(fault: Fault) -> Schedule:
    return lambda operation, _: fault if operation == "write" else None


@pytest.mark.parametrize("fault", ["timeout", "truncate", "alter"])
def test_a_read_that_fails_or_comes_damaged_is_repeated(bucket: Bucket, tmp_path: Path, fault: Fault) -> None:
    for number, data in enumerate((b"hello", LARGE)):
        over(bucket, tmp_path, scripted([]))[0].put(data)
        reads = (
            lambda blobs, name: blobs.get(name),
            lambda blobs, name: blobs.path(name).read_bytes(),
            lambda blobs, name: copied(blobs, name, tmp_path / "target"),
        )
        for turn, read in enumerate(reads):
            blobs, filesystem = over(bucket, tmp_path / f"{number}{turn}", scripted([fault, fault], on=["read"]))
            assert read(blobs, digest(data)) == data
            assert len(filesystem.made) == 2
        blobs, filesystem = over(bucket, tmp_path / f"{number}whole", scripted([fault], on=["read"]))
        assert blobs.is_whole(digest(data))
        if fault != "alter":
            blobs, filesystem = over(bucket, tmp_path / f"{number}open", scripted([fault], on=["read"]))
            with blobs.open(digest(data)) as stream:
                assert stream.read() == data


def copied(blobs: RemoteBlobs, name: str, target: Path) -> bytes:
    blobs.materialise(name, target)
    return target.read_bytes()


@pytest.mark.parametrize(
    ("fault", "error"), [("timeout", StoreError), ("truncate", DetentError), ("alter", TamperedError)]
)
def test_bytes_that_never_come_right_are_never_served(
    bucket: Bucket, tmp_path: Path, fault: Fault, error: type[DetentError]
) -> None:
    for data in (b"hello", LARGE):
        over(bucket, tmp_path, scripted([]))[0].put(data)
        blobs, _ = over(bucket, tmp_path, lambda operation, _: fault if operation == "read" else None)
        for read in (blobs.get, blobs.path, partial(blobs.materialise, target=tmp_path / "target")):
            with pytest.raises(error):
                read(digest(data))
        assert not (tmp_path / "target").exists()
        assert blobs.sweep(older_than=-60) == 0


def test_bytes_that_differ_at_every_read_are_not_called_damaged(bucket: Bucket, tmp_path: Path) -> None:
    name = over(bucket, tmp_path, scripted([]))[0].put(b"hello")
    blobs, _ = over(bucket, tmp_path, scripted(["alter", "truncate", "alter"], on=["read"]))
    with pytest.raises(StoreError, match="2 different answers"):
        blobs.get(name)


def test_an_object_that_is_shown_late_is_waited_for(bucket: Bucket, tmp_path: Path) -> None:
    blobs, filesystem = over(bucket, tmp_path, scripted([None, "stale", "stale"], on=["look"]))
    name = blobs.put(b"hello")
    assert [fault for fault, _, _ in filesystem.made] == ["stale", "stale"]
    blobs, filesystem = over(bucket, tmp_path, scripted(["stale", "stale"], on=["look"]))
    assert blobs.path(name).read_bytes() == b"hello"


def test_a_listing_that_is_late_hides_blobs_and_damages_none(bucket: Bucket, tmp_path: Path) -> None:
    blobs, _ = over(bucket, tmp_path, scripted(["stale", None], on=["list"]))
    name = blobs.put(b"hello")
    assert list(blobs.names()) == []
    assert list(blobs.names()) == [name]


def test_two_writers_of_the_same_bytes_need_no_conditional_write(bucket: Bucket, tmp_path: Path) -> None:
    class Meanwhile:
        def __call__(self, operation: Operation, path: str) -> Fault | None:
            if operation == "write":
                bucket.pipe_file(path, b"hello")
            return None

    blobs, filesystem = over(bucket, tmp_path, Meanwhile())
    assert blobs.get(blobs.put(b"hello")) == b"hello"
    filesystem.pipe_file("/blobs/x", b"first")
    filesystem.pipe_file("/blobs/x", b"second", mode="create")  # the lie itself: it should have been refused
    assert filesystem.cat_file("/blobs/x") == b"second"


@pytest.mark.parametrize("operation", ["look", "list", "read", "remove", "move"])
def test_denied_access_is_an_error_for_everything(bucket: Bucket, tmp_path: Path, operation: Operation) -> None:
    name = over(bucket, tmp_path, scripted([]))[0].put(b"hello")
    blobs, filesystem = over(bucket, tmp_path, lambda asked, _: "denied" if asked == operation else None)
    acts = {
        "look": blobs.has,
        "list": lambda _: list(blobs.names()),
        "read": blobs.get,
        "remove": blobs.delete,
        "move": blobs.quarantine,
    }
    with pytest.raises(StoreError, match="credentials"):
        acts[operation](name)
    assert len(filesystem.made) == 1  # refused once is refused: nothing is tried again
    assert stored(bucket) == {key(b"hello"): b"hello"}


def test_many_blobs_survive_a_store_that_fails_all_the_time(bucket: Bucket, tmp_path: Path) -> None:
    patient = Patience(attempts=40, first=0.0)
    filesystem = FaultyFileSystem(bucket, seeded(7, {"timeout": 0.15, "late": 0.1, "stale": 0.1}))
    blobs = RemoteBlobs(filesystem, "/blobs", tmp_path / "cache", patience=patient)
    items = [b"%d" % number for number in range(100)]
    assert blobs.put_many(items) == [digest(item) for item in items]
    assert stored(bucket) == {key(item): item for item in items}
    assert [blobs.get(digest(item)) for item in items] == items
    assert len(filesystem.made) > 50


@pytest.mark.parametrize("seed", range(30))
def test_whatever_goes_wrong_no_wrong_byte_is_served_and_no_half_blob_counts(
    bucket: Bucket, tmp_path: Path, seed: int
) -> None:
    rates: dict[Fault, float] = dict.fromkeys(("timeout", "late", "truncate", "drop", "stale", "denied", "full"), 0.05)
    blobs, filesystem = over(bucket, tmp_path, seeded(seed, rates))
    promised, items = set(), [b"%d" % number for number in range(40)]
    for item in items:
        try:
            promised.add(blobs.put(item))
        except StoreError:
            continue
    assert filesystem.made
    for item in items:
        try:
            assert blobs.get(digest(item)) == item
        except DetentError:
            continue
    clean, _ = over(bucket, tmp_path / "clean", scripted([]))
    assert promised <= set(clean.names())
    assert all(clean.get(name) for name in promised)
    broken = scrub(clean)
    assert not set(broken.damaged) & promised


def test_a_store_without_whole_objects_is_written_under_another_name_first(tmp_path: Path) -> None:
    seen: list[tuple[Operation, str]] = []

    def schedule(operation: Operation, path: str) -> Fault | None:
        seen.append((operation, path))
        return None

    memory = MemoryFileSystem()
    root = f"/{tmp_path.name}"
    blobs = RemoteBlobs(FaultyFileSystem(memory, schedule), root, tmp_path / "cache", patience=AT_ONCE)
    name = blobs.put(b"hello")
    assert [path.startswith(f"{root}/.new/") for operation, path in seen if operation == "write"] == [True]
    assert list(blobs.names()) == [name]
    memory.pipe_file(f"{root}/.new/killed", b"half")
    assert blobs.sweep(older_than=3600) == 0
    assert blobs.sweep(older_than=-60) == 1
    assert list(memory.find(root)) == [f"{root}/{name[:2]}/{name[2:]}"]


@pytest.mark.parametrize("fault", ["timeout", "late"])
def test_a_rename_that_fails_or_seems_to_is_made_good(tmp_path: Path, fault: Fault) -> None:
    filesystem = FaultyFileSystem(MemoryFileSystem(), scripted([fault], on=["move"]))
    blobs = RemoteBlobs(filesystem, f"/{tmp_path.name}", tmp_path / "cache", patience=AT_ONCE)
    name = blobs.put(b"hello")
    assert len(filesystem.made) == 1
    assert list(filesystem.inner.find(f"/{tmp_path.name}")) == [f"/{tmp_path.name}/{name[:2]}/{name[2:]}"]
    filesystem.schedule = scripted([fault], on=["move"])
    blobs.quarantine(name)
    assert list(blobs.quarantined()) == [name]


def test_a_schedule_falls_the_same_way_every_time() -> None:
    def fall(seed: int) -> Iterator[Fault | None]:
        schedule = seeded(seed, {"timeout": 0.3, "drop": 0.3})
        return (schedule("write", "x") for _ in range(50))

    assert list(fall(1)) == list(fall(1)) != list(fall(2))
    assert set(fall(1)) == {None, "timeout", "drop"}


def test_mistakes_of_ours_are_neither_repeated_nor_hidden() -> None:
    calls: list[int] = []

    def mistaken() -> None:
        calls.append(1)
        raise TypeError("ours")

    with pytest.raises(TypeError):
        AT_ONCE.call(mistaken, what="", where="")
    assert calls == [1]
