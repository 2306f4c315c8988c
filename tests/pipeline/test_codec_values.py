"""Plain values and records: what is stored comes back, equal values give equal digests, annotations are kept."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ForwardRef, Literal, NewType, Protocol, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from codec_classes import (
    Box,
    Circle,
    Colour,
    Customer,
    Doubling,
    Fold,
    Half,
    Level,
    Mark,
    Point,
    Price,
    Rights,
    Scores,
    Span,
    same,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detent.errors import DataError, TamperedError
from detent.pipeline.artifacts import JSON, LIST, TREE, Artifact, artifact_from_json, artifact_to_json
from detent.pipeline.codecs.table import blobs_of, dump, load
from detent.pipeline.codecs.tree import items_of, plain_value
from detent.pipeline.gather import gather
from detent.store.blobs import Blobs, FolderBlobs

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones() | st.just(UTC) | st.just(timezone(timedelta(hours=-3.5))))
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.complex_numbers()
    | st.sampled_from(list(Colour) + list(Level) + [Rights.READ | Rights.WRITE, Rights(0)])
    | st.builds(PurePosixPath, st.sampled_from(["a", "b/c"]))
)
_KEYS = st.text(max_size=3) | st.sampled_from(["$date", "$", "$record"]) | st.integers() | st.dates() | st.none()
_POINTS = st.lists(st.builds(Point, x=st.floats(), y=st.floats()), max_size=2).map(tuple)
_RECORDS = st.builds(Point, x=st.floats(), y=st.floats()) | st.builds(Span, st.dates(), st.dates())
_VALUES = (
    st.recursive(
        _SCALARS | _RECORDS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(_KEYS, inner, max_size=3)
            | st.builds(Box, inner)
            | st.builds(Mark, x=st.floats(), y=st.floats(), label=st.text(), children=_POINTS)
        ),
        max_leaves=8,
    )
    | st.sets(st.integers() | st.text(max_size=2), max_size=4)
    | st.frozensets(st.dates(), max_size=3)
)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return FolderBlobs(tmp_path_factory.mktemp("blobs"), durable=False)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=_VALUES)
def test_any_value_comes_back_as_it_was_and_gives_the_same_digest_again(value: Any, blobs: Blobs) -> None:
    artifact = dump(value, blobs)
    back = load(artifact, blobs)
    assert same(back, value)
    assert dump(back, blobs) == artifact
    assert artifact_from_json(json.loads(json.dumps(artifact_to_json(artifact)))) == artifact


@settings(max_examples=100, deadline=None)
@given(entries=st.lists(st.tuples(_KEYS, st.integers()), max_size=6, unique_by=lambda entry: entry[0]))
def test_the_order_in_which_a_dict_or_a_set_was_filled_does_not_matter(entries: list[Any], blobs: Blobs) -> None:
    assert dump(dict(entries), blobs) == dump(dict(reversed(entries)), blobs)
    keys = [key for key, _ in entries]
    backwards = frozenset(keys[::-1])
    assert dump(set(keys), blobs) == dump(set(backwards), blobs)


def test_values_that_differ_only_in_type_have_different_digests(blobs: Blobs) -> None:
    values = [
        1, 1.0, True, "1", [1], (1,), {1}, frozenset({1}), Decimal(1), 0.0, -0.0, b"1", None, "None", [], (), {}, set(),
        {"x": 1.0, "y": 1.0}, Point(1.0, 1.0), Box(1), Level.LOW, date(2024, 1, 1), datetime(2024, 1, 1), "2024-01-01",
        np.ones(1), pl.DataFrame({"a": [1]}), {"$date": "2024-01-01"}, {1: 1}, {"1": 1}, PurePosixPath("1"),
    ]  # fmt: skip
    assert len({dump(value, blobs).digest for value in values}) == len(values)


def test_the_zone_of_a_moment_comes_back_and_an_hour_that_comes_twice_stays_the_one_it_was(blobs: Blobs) -> None:
    twice = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    for moment in (twice, twice.replace(fold=1)):
        back = load(dump(moment, blobs), blobs)
        assert back.utcoffset() == moment.utcoffset()
        assert back.tzinfo is moment.tzinfo


@pytest.mark.parametrize(
    "value",
    [
        Price(Decimal("1.20"), datetime(2024, 1, 1, tzinfo=UTC), frozenset({"b", "a"})),
        Customer(name="Ada", spans=[Span(date(2024, 1, 1), date(2024, 2, 1))]),
        Customer(name="Ada", age=0),
        Circle(2.0),
        Mark(1.0, 2.0, "m", (Point(0.0, -0.0), Mark(3.0, 4.0))),
        Box({"nested": [Point(float("nan"), 1.0)]}),
        [Span(date(2024, 1, 1), date(2024, 2, 1))],
    ],
    ids=lambda value: type(value).__name__,
)
def test_records_come_back_as_their_own_class(value: Any, blobs: Blobs) -> None:
    artifact = dump(value, blobs)
    back = load(artifact, blobs)
    assert back == value or repr(back) == repr(value)  # NaN is not equal to itself
    assert dump(back, blobs) == artifact
    assert artifact.kind == JSON


def test_a_model_keeps_its_private_attributes_and_which_fields_were_given(blobs: Blobs) -> None:
    customer = Customer(name="Ada")
    customer._seen = 3
    back = load(dump(customer, blobs), blobs)
    assert (back, back._seen) == (customer, 3)
    assert back.model_dump(exclude_unset=True) == {"name": "Ada"}


def test_an_artifact_names_every_class_that_opening_it_runs(blobs: Blobs) -> None:
    value = {"points": [Mark(1.0, 2.0, children=(Point(0.0, 0.0),))], "colour": Colour.RED}
    names = ("codec_classes:Colour", "codec_classes:Mark", "codec_classes:Point")
    assert dump(value, blobs).types == names
    assert dump([value, pl.DataFrame()], blobs).types == names
    assert dump({"$record": ["codec_classes:Point", {}]}, blobs).types == ()


def test_a_cached_property_is_no_field(blobs: Blobs) -> None:
    box = Box(1)
    assert box.shown == "1"
    assert load(dump(box, blobs), blobs) == Box(1)


def test_records_that_would_come_back_changed_are_refused(blobs: Blobs) -> None:
    loose = Box(1)
    loose.more = 2  # pyright: ignore[reportAttributeAccessIssue]
    for value, why in [
        (Doubling(1), "made again from its fields"),
        (loose, "`more` is no field"),
        (Point(object(), 0.0), "declares float"),  # pyright: ignore[reportArgumentType]
        (Point("1", 0.0), "declares float"),  # pyright: ignore[reportArgumentType]
        (dataclasses.make_dataclass("Made", ["a"])(1), "is not its class|nobody else"),
    ]:
        with pytest.raises(DataError, match=why):
            dump(value, blobs)


def test_what_has_no_stored_form_is_refused_with_what_to_do(blobs: Blobs) -> None:
    loop: list[Any] = []
    loop.append(loop)
    for value, advice in [
        (Counter("aab"), r"return dict\(value\)"),
        (defaultdict(int), r"return dict\(value\)"),
        ((x for x in "ab"), r"return list"),
        (bytearray(b"a"), r"return bytes"),
        (pl.LazyFrame(), r"\.collect\(\)"),
        (pl.Series([1]), r"to_frame"),
        (loop, "nested too deeply"),
        ("\ud800", "no Unicode"),
        ({"\ud800"}, "no Unicode"),
        ({"\ud800": Decimal(1), 2: 3}, "no Unicode"),
        ({10**5000}, "digits"),
        ([1, {"a": {"b": object()}}], r"\[1\]\['a'\]\['b'\]"),
        (np.datetime64("2024-01-01"), "no stored form"),
        (np.longdouble(1), "no stored form"),
        (datetime(2024, 1, 1, tzinfo=_OddZone(timedelta(0))), "time zone"),
        (10**5000, "digits"),
        ({Path(__file__): 1}, "plain keys"),
        ({Path(__file__)}, "no order"),
        (lambda: 1, "no stored form"),
        (int, "no stored form"),
    ]:
        with pytest.raises(DataError, match=advice):
            dump(value, blobs)


class _OddZone(__import__("datetime").tzinfo):
    def __init__(self, offset: timedelta) -> None:
        self.offset = offset

    def utcoffset(self, dt: Any) -> timedelta:
        return self.offset


# --- annotations ---

_T = TypeVar("_T", bound=int)
_Id = NewType("_Id", int)


class _Closeable(Protocol):
    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        (1, int), (np.int64(1), int), (True, bool), (np.bool_(True), bool), (1.0, float), ("a", str),
        (None, type(None)), (1, Any), (1, object), (1, _T), (1, _Id), (1, Annotated[int, "unit"]), (1, "Unresolved"),
        (1, ForwardRef("Gone")), (None, None | int), (1, int | None), ("a", int | str), ([1], list[int] | None),
        ([1, None], list[int | None]), ([1, 2], list), ([1, 2], Sequence[int]), ((1, 2), Sequence[int]),
        ({"a": 1}, Mapping[str, int]), ((1, "a"), tuple[int, str]), ((1, 2, 3), tuple[int, ...]), ({1}, set[int]),
        (frozenset({1}), frozenset[int]), ({"a": [1.5]}, dict[str, list[float]]), ({1: "a"}, dict[int, str]),
        ("a", Literal["a", "b"]), (1, Literal[1]), ({"auc": 0.5}, Scores), ({"auc": 0.5, "notes": ["x"]}, Scores),
        (Point(1.0, 2.0), Point), (Mark(1.0, 2.0), Point), (Colour.RED, Colour), (Level.LOW, int), (Box(1), Box[int]),
        (np.ones(2), np.ndarray), (b"", bytes), (np.ones(2), np.ndarray[Any, np.dtype[np.float64]]),
        (np.ones(2), np.ndarray[Any, np.dtype[np.floating]]), (datetime(2024, 1, 1), datetime),
        (date(2024, 1, 1), date), (1, _Closeable), ([], list[pl.DataFrame]), (pl.DataFrame(), pl.DataFrame),
        (None, None), (np.float64(1), np.float64), (1, list[int] | int),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_of_the_declared_type_is_stored(value: Any, declared: Any, blobs: Blobs) -> None:
    dump(value, blobs, declared=declared)


@pytest.mark.parametrize(
    ("value", "declared", "said"),
    [
        ("1", int, "returned a str, and its annotation declares int"),
        (True, int, "returned a bool, and its annotation declares int"),
        (True, float, "declares float"),
        (1, bool, "declares bool"),
        (np.bool_(True), int, "declares int"),
        (1.0, int, "declares int"),
        ("1", float, "declares float"),
        (2**80 + 1, float, "too large for a float"),
        (1, type(None), "declares None"),
        (None, int, "returned a None"),
        (1, str | None, r"declares str \| None"),
        ([1, "2"], list[int], r"holds a str at `\[1\]`, and its annotation declares int"),
        ([1, True], list[int], r"holds a bool at `\[1\]`"),
        ((1, 2), list[int], "returned a tuple"),
        ([1], tuple[int, ...], "returned a list"),
        ((1,), tuple[int, str], "it has 1 items"),
        ({"a": "x"}, dict[str, float], r"at `\['a'\]`"),
        ({1: 1.0}, dict[str, float], "declares str"),
        ([{"a": [1, None]}], list[dict[str, list[int]]], r"a None at `\[0\]\['a'\]\[1\]`"),
        ("c", Literal["a", "b"], "declares Literal"),
        (True, Literal[1], "declares Literal"),
        ({"auc": "high"}, Scores, "declares float"),
        ({"notes": []}, Scores, "lacks"),
        ({"auc": 0.1, "f1": 1.0}, Scores, "f1"),
        (datetime(2024, 1, 1), date, "declares date"),
        ({"x": 1.0}, Point, "declares codec_classes.Point"),
        (Point(1.0, "2"), Point, r"a str at `\.y`"),  # pyright: ignore[reportArgumentType]
        (np.ones(2), pl.DataFrame, "declares polars.DataFrame"),
        ([np.ones(2)], list[pl.DataFrame], r"at `\[0\]`, and its annotation declares polars.DataFrame"),
        (np.ones(2), np.ndarray[Any, np.dtype[np.int64]], "its dtype is float64"),
        ([1.0], np.ndarray, "declares numpy.ndarray"),
        ("a/b", Path, "declares Path"),
        (True, _T, "declares int"),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused_with_both_names(value: Any, declared: Any, said: str, blobs: Blobs) -> None:
    with pytest.raises(DataError, match=said) as caught:
        dump(value, blobs, declared=declared)
    assert "annotation" in caught.value.fix


@pytest.mark.parametrize(
    ("value", "declared", "stored"),
    [
        (1, float, 1.0),
        (np.float32(0.5), float, 0.5),
        ([1, 2.5], list[float], [1.0, 2.5]),
        ({"auc": 1}, dict[str, float], {"auc": 1.0}),
        ({"auc": 1}, Scores, {"auc": 1.0}),
        (Point(1, 2), Point, Point(1.0, 2.0)),
        (Point(1, 2), None, Point(1.0, 2.0)),
        ((1, 2), tuple[float, int], (1.0, 2)),
        (1, float | int, 1),
        (1, float | None, 1.0),
        (np.int64(1), float | int, 1),
        ({"n": np.int64(3), "r": np.float64(0.5), "s": np.str_("x")}, None, {"n": 3, "r": 0.5, "s": "x"}),
        (1, complex, 1 + 0j),
    ],
    ids=str,
)
def test_equal_annotations_give_equal_digests(value: Any, declared: Any, stored: Any, blobs: Blobs) -> None:
    artifact = dump(value, blobs, declared=declared)
    assert artifact == dump(stored, blobs)
    assert same(load(artifact, blobs), stored)


def test_names_that_only_a_type_checker_knows_are_not_checked(blobs: Blobs) -> None:
    assert dump({"a": 1}, blobs, declared=dict[str, "Gone"])  # noqa: F821  # pyright: ignore
    assert dump(Half("x", 1), blobs)
    with pytest.raises(DataError, match=r"\.known"):
        dump(Half("x", "1"), blobs)  # pyright: ignore[reportArgumentType]


def test_a_million_numbers_are_checked_completely_and_quickly(blobs: Blobs) -> None:
    numbers = [float(number) for number in range(1_000_000)]
    began = time.process_time()
    dump(numbers, blobs, declared=list[float])
    plain = time.process_time() - began
    numbers[777_777] = "x"  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(DataError, match=r"\[777777\]"):
        dump(numbers, blobs, declared=list[float])
    assert plain < 5  # one look at each number in Python alone would be several times what json needs


# --- lists and trees ---


def test_a_list_of_frames_is_stored_item_by_item_as_a_fan_out_would(blobs: Blobs) -> None:
    frames = [pl.DataFrame({"a": [number]}) for number in range(3)]
    artifact = dump(frames, blobs, declared=list[pl.DataFrame])
    assert artifact.kind == LIST
    assert artifact == gather([dump(frame, blobs) for frame in frames])
    assert all(map(pl.DataFrame.equals, load(artifact, blobs), frames))
    assert dump([1, 2], blobs).kind == JSON


def test_frames_and_arrays_may_stand_anywhere_in_a_value(blobs: Blobs) -> None:
    frame, array = pl.DataFrame({"a": [1]}), np.arange(3.0)
    value = {"b": (array, {"c": frame}), "a": [frame, 1, Fold(frame, array, "one")], "d": date(2024, 1, 1)}
    artifact = dump(value, blobs)
    back = load(artifact, blobs)
    assert artifact.kind == TREE
    assert len(artifact.items) == 5
    assert list(back["b"][0]) == [0, 1, 2]
    assert back["b"][1]["c"].equals(frame)
    assert back["a"][2].train.equals(frame)
    assert back["a"][2].name == "one"
    assert back["d"] == date(2024, 1, 1)
    assert dump(dict(reversed(value.items())), blobs) == artifact
    assert dump(back, blobs) == artifact
    assert set(blobs_of(artifact, blobs)) == set(artifact.blobs)


def test_a_member_of_a_union_that_does_not_fit_leaves_nothing_behind(blobs: Blobs) -> None:
    value = (pl.DataFrame({"a": [1]}), "x")
    artifact = dump(value, blobs, declared=tuple[pl.DataFrame, int] | tuple[pl.DataFrame, str])
    assert artifact == dump(value, blobs)
    with pytest.raises(DataError, match=r"a str at `\[1\]`, and its annotation declares int"):
        dump(value, blobs, declared=tuple[pl.DataFrame, int] | None)


def test_several_arrays_in_a_record_are_one_value_when_they_are_items(blobs: Blobs) -> None:
    folds = [Fold(pl.DataFrame({"a": [n]}), np.arange(n), str(n)) for n in range(3)]
    artifact = dump(folds, blobs, declared=list[Fold])
    assert (artifact.kind, [item.kind for item in artifact.items]) == (LIST, [TREE] * 3)
    back = load(artifact, blobs)
    assert [(type(fold), fold.name, len(fold.rows)) for fold in back] == [
        (Fold, "0", 0),
        (Fold, "1", 1),
        (Fold, "2", 2),
    ]
    with pytest.raises(DataError, match=r"\[0\]\.rows"):
        dump([Fold(pl.DataFrame(), [1], "x")], blobs, declared=list[Fold])  # pyright: ignore[reportArgumentType]


def test_values_that_differ_in_one_leaf_or_one_key_have_different_digests(blobs: Blobs) -> None:
    one, two = np.zeros(1), np.ones(1)
    values = [
        {"a": one},
        {"a": two},
        {"b": one},
        (one,),
        [one],
        {"a": (one,)},
        {"a": one, "b": two},
        {"a": two, "b": one},
    ]
    assert len({dump(value, blobs).digest for value in values}) == len(values)


def test_the_items_of_a_stored_list_are_told_without_opening_them(blobs: Blobs) -> None:
    assert items_of(dump([1, "a", {"b": None}], blobs), blobs) == [1, "a", {"b": None}]
    dates = items_of(dump([date(2024, 1, 1), (1, 2)], blobs), blobs)
    assert dates is not None
    assert [load(item, blobs) for item in dates] == [date(2024, 1, 1), (1, 2)]
    points = items_of(dump([Point(1.0, 2.0)], blobs), blobs)
    assert points == [dump(Point(1.0, 2.0), blobs)]
    assert items_of(dump({"a": 1}, blobs), blobs) is None
    frame = dump(pl.DataFrame(), blobs)
    assert items_of(gather([frame]), blobs) == [frame]


def test_a_plain_value_is_told_without_opening_it_and_no_other_is(blobs: Blobs) -> None:
    for value in (True, 0, "a", 1.5, None, [1], {"a": {"b": []}}):
        assert same(plain_value(dump(value, blobs), blobs), value)
    for value in (Decimal(0), Colour.RED, [date(2024, 1, 1)], {"a": {1}}, pl.DataFrame(), Point(0.0, 0.0)):
        with pytest.raises(DataError, match="no plain one"):
            plain_value(dump(value, blobs), blobs)


# --- what is stored can't be trusted ---


@pytest.mark.parametrize(
    "text",
    [
        "{", "[" * 100_000, '{"$date": 3}', '{"$date": "soon"}', '{"$nothing": 1}', '{"$item": 0}', '{"$item": "x"}',
        '{"$record": ["os:system", {"command": "true"}]}', '{"$record": ["codec_classes:Notes", {}]}', '{"$record": 1}',
        '{"$enum": ["codec_classes:Colour", "BLUE"]}', '{"$enum": ["os:environ", "HOME"]}', '{"$bytes": "?"}',
        '{"$decimal": "x"}', '{"$dict": [[1]]}', '{"$set": [[1]]}', '{"$datetime": ["2024-01-01", "No/Zone", 0]}',
        '{"$record": ["codec_classes:Customer", {"name": "x"}]}', '{"$tuple": 1}', '{"$uuid": "1"}', "\xff",
    ],
)  # fmt: skip
def test_stored_text_that_is_no_value_is_an_error_and_no_stack_trace(text: str, blobs: Blobs) -> None:
    for kind in (JSON, TREE):
        with pytest.raises((TamperedError, DataError)):
            load(Artifact(digest=blobs.put(text.encode("latin-1")), kind=kind), blobs)


@pytest.mark.parametrize(
    "plain",
    [
        {}, [], "x", {"digest": "x"}, {"digest": 1, "kind": "json"}, {"digest": "x", "kind": "exe"},
        {"digest": "x", "kind": "list", "items": [1]}, {"digest": "x", "kind": "json", "type": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_that_is_none_is_refused(plain: Any) -> None:
    with pytest.raises(TamperedError, match="description"):
        artifact_from_json(plain)


def test_a_class_that_changed_since_is_an_error_that_says_so(blobs: Blobs) -> None:
    text = '{"$record":["codec_classes:Span",{"first":1,"gone":2}]}'
    with pytest.raises(DataError, match="can't be made again"):
        load(Artifact(digest=blobs.put(text.encode()), kind=JSON), blobs)


def test_choosing_a_codec_for_plain_values_asks_for_no_library(run_python: Callable[[str], str]) -> None:
    loaded = run_python(
        "import sys, tempfile, pathlib\n"
        "from detent.pipeline.codecs.table import blobs_of, dump, load\n"
        "from detent.store.blobs import FolderBlobs\n"
        "blobs = FolderBlobs(pathlib.Path(tempfile.mkdtemp()))\n"
        "artifact = dump({'a': [1.5, (2, 'b')]}, blobs, declared=dict)\n"
        "assert load(artifact, blobs) == {'a': [1.5, (2, 'b')]} and blobs_of(artifact, blobs)\n"
        "heavy = {'numpy', 'pandas', 'polars', 'pyarrow', 'msgspec', 'pydantic', 'fsspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert loaded.strip() == "[]"


@pytest.fixture
def run_python() -> Callable[[str], str]:
    import subprocess
    import sys

    def run(code: str) -> str:
        return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    return run
