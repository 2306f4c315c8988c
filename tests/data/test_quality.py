from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import numpy as np
import polars as pl
import pytest

from detent.data import QualityReport, check_quality
from detent.data.quality.cells import NOTHING, cells_of, normal
from detent.data.quality.near import near_rows, near_texts
from detent.data.quality.report import QualityFinding
from detent.errors import DataError

START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(count: int, *, seed: int = 0, start: datetime = START) -> pl.DataFrame:
    random = Random(seed)
    return pl.DataFrame(
        {
            "id": [f"{seed}-{index}" for index in range(count)],
            "at": [start + timedelta(minutes=index) for index in range(count)],
            "customer": [random.randrange(10 * count) for _ in range(count)],
            "city": [random.choice(["Bonn", "Lyon", "Turin", "Porto"]) for _ in range(count)],
            "price": [random.uniform(1, 500) for _ in range(count)],
            "weight": [random.gauss(10, 3) for _ in range(count)],
            "items": [random.randrange(1, 9) for _ in range(count)],
            "late": [random.randrange(2) for _ in range(count)],
        }
    )


def of(report: QualityReport, kind: str) -> QualityFinding:
    return next(finding for finding in report.findings if finding.kind == kind)


def test_clean_rows_pass_everything_and_the_report_says_what_was_looked_for() -> None:
    later = rows(200, seed=1, start=START + timedelta(days=30))
    report = check_quality(rows(800), later, key="id", time="at", entity="customer", label="late")
    kinds = [finding.kind for finding in report.findings if finding.kind != "shared_entities"]
    assert sorted(kinds) == [
        "duplicate_rows", "near_duplicates", "shared_keys", "shared_near_rows", "shared_rows", "telling_column",
        "time_order",
    ]  # fmt: skip
    assert {finding.outcome for finding in report.findings if finding.kind != "shared_entities"} == {"pass"}
    assert "no training row repeats another one" in str(report)


def test_repeated_rows_are_found_whatever_their_key() -> None:
    frame = rows(100)
    again = frame[[3, 50]].with_columns(id=pl.Series(["new-1", "new-2"]))
    found = of(check_quality(pl.concat([frame, again]), key="id"), "duplicate_rows")
    assert (found.outcome, found.rows, found.share) == ("warn", 2, pytest.approx(2 / 102))
    assert found.examples == ((3, 100), (50, 101))
    assert of(check_quality(pl.concat([frame, again])), "duplicate_rows").rows == 0


def test_rows_that_differ_by_rounding_case_or_one_value_are_near_duplicates() -> None:
    frame = rows(500)
    near = frame[[10, 20, 30]].with_columns(
        id=pl.Series(["a", "b", "c"]),
        at=pl.col("at") + pl.duration(milliseconds=300),
        city=pl.Series([frame["city"][10].upper() + " ", frame["city"][20], "Elsewhere"]),
        price=pl.col("price").round(1),
    )
    report = check_quality(pl.concat([frame, near]), key="id")
    found = of(report, "near_duplicates")
    assert found.examples == ((10, 500), (20, 501), (30, 502))
    assert (found.outcome, found.rows, found.complete) == ("warn", 6, True)
    far = near.with_columns(price=pl.col("price") + 100, items=pl.col("items") + 1)
    assert of(check_quality(pl.concat([frame, far]), key="id"), "near_duplicates").rows == 0


def test_pairs_are_those_that_comparing_everything_with_everything_finds() -> None:
    random = np.random.default_rng(3)
    frame = pl.DataFrame({f"c{index}": random.integers(0, 2, 400) for index in range(12)})
    frame = frame.with_columns(x=pl.Series(random.integers(0, 2, 400) + random.normal(0, 1e-9, 400)))
    cells = cells_of(frame)
    found, complete = near_rows(cells)
    whole = frame.with_columns(pl.col("x").round(3)).to_numpy()
    differing = (whole[:, None, :] != whole[None, :, :]).sum(axis=2)
    expected = {(a, b) for a, b in np.argwhere(differing <= 1).tolist() if a < b}
    assert len(expected) > 50
    assert complete
    assert {(a, b) for a, b in found.tolist()} == expected


def test_two_sides_of_an_edge_between_steps_are_no_difference() -> None:
    frame = rows(500).drop("id")
    twins = frame[[0, 0]].with_columns(items=pl.Series([1, 2]), price=pl.lit(250.0))
    step = cells_of(pl.concat([frame, twins])).tolerance[1]
    edge = (np.floor(250.0 / step) + 0.5) * step
    cells = cells_of(pl.concat([frame, twins.with_columns(price=pl.Series([edge - step / 1e3, edge + step / 1e3]))]))
    assert cells.codes[500, 3] != cells.codes[501, 3]
    assert [500, 501] in near_rows(cells)[0].tolist()  # they differ in `items` alone


def test_groups_too_large_to_compare_in_full_are_said_to_be() -> None:
    frame = pl.DataFrame({f"c{index}": [index] * 300 for index in range(6)}).with_columns(n=pl.int_range(300))
    assert not near_rows(cells_of(frame))[1]
    report = check_quality(frame)
    assert "too large to compare in full" in of(report, "near_duplicates").reason


@pytest.mark.parametrize("columns", [1, 4])
def test_rows_of_few_columns_are_no_near_duplicates(columns: int) -> None:
    frame = pl.DataFrame({f"c{index}": [1, 2, 1, 2] for index in range(columns)})
    assert of(check_quality(frame), "near_duplicates").rows == 0


def test_odd_values_have_cells_too() -> None:
    frame = pl.DataFrame(
        {
            "f": [1.0, None, float("nan"), float("inf"), -float("inf")],
            "t": [START, None, START, START, START],
            "s": ["Ä b.", None, "ä  B", "x", ""],
            "i": [2**62, None, -(2**62), 0, 1],
            "l": [[1], [2], None, [3], [4]],
        }
    )
    cells = cells_of(frame)
    assert cells.columns == 4
    assert (cells.codes[1] == NOTHING).all()
    assert cells.codes[2, 2] == cells.codes[0, 2]
    assert normal(frame["s"]).to_list() == ["ä b", None, "ä b", "x", ""]
    assert near_rows(cells)[0].shape == (0, 2)


WORDS = [
    "the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "seven", "green", "birds", "watch",
    "from", "an", "old", "wall", "near", "that", "river",
]  # fmt: skip


def test_prose_that_is_nearly_the_same_is_found() -> None:
    random = Random(2)
    texts = [" ".join(random.choices(WORDS, k=40)) for _ in range(300)]
    changed = texts[7].split()
    changed[20] = "CHANGED,"
    texts += [" ".join(changed), texts[9].upper() + "!", texts[11]]
    pairs, complete = near_texts(pl.Series(texts))
    assert pairs.tolist() == [[7, 300]]  # the other two are equal in their normal form
    assert complete
    frame = pl.DataFrame({"id": range(303), "note": texts})
    found = of(check_quality(frame, key="id"), "near_texts")
    assert (found.column, found.rows, found.examples) == ("note", 2, ((7, 300),))
    assert near_texts(pl.Series(["", None, "one"], dtype=pl.String))[0].shape == (0, 2)


def test_evaluation_rows_that_were_trained_on_are_found_by_key_content_and_entity() -> None:
    train = rows(1_000)
    fresh = rows(200, seed=1, start=START + timedelta(days=30))
    leaked = train[:50].with_columns(at=pl.col("at") + pl.duration(days=40))
    report = check_quality(train, pl.concat([fresh, leaked]), key="id", time="at", entity="customer")
    keys, content, entities = (of(report, kind) for kind in ("shared_keys", "shared_rows", "shared_entities"))
    assert (keys.outcome, keys.rows, keys.examples[0]) == ("fail", 50, (200, 0))
    assert (content.outcome, content.rows, content.examples[0]) == ("fail", 50, (200, 0))
    assert of(report, "shared_near_rows").rows == 0  # equal rows were counted already
    assert entities.outcome == "warn"
    assert entities.rows >= 50
    assert report.outcome == "fail"
    assert report.findings[0].outcome == "fail"


def test_nearly_equal_evaluation_rows_warn_where_training_rows_are_no_more_alike() -> None:
    train = rows(1_000)
    near = train[:100].with_columns(
        id=pl.lit("new"), at=pl.col("at") + pl.duration(days=40), price=pl.col("price").round(2)
    )  # fmt: skip
    report = check_quality(train, near, key="id", time="at")
    assert of(report, "shared_rows").rows == 0
    found = of(report, "shared_near_rows")
    assert (found.outcome, found.rows, found.examples[0]) == ("warn", 100, (0, 0))


def test_rows_that_repeat_by_nature_only_warn() -> None:
    random = Random(1)

    def coarse(count: int) -> pl.DataFrame:
        return pl.DataFrame({name: [random.randrange(4) for _ in range(count)] for name in ("a", "b")})

    found = of(check_quality(coarse(500), coarse(100)), "shared_rows")
    assert (found.outcome, found.share) == ("warn", 1.0)
    assert "100% of the training rows do so among themselves" in found.reason


def test_an_evaluation_row_before_the_newest_training_row_is_leakage() -> None:
    found = of(check_quality(rows(100), rows(50, seed=1, start=START + timedelta(minutes=70)), time="at"), "time_order")
    assert (found.outcome, found.rows, found.examples[0]) == ("fail", 30, (0, 99))


def test_a_column_that_is_later_than_the_row_is_named_unless_it_is_no_feature() -> None:
    frame = rows(100).with_columns(
        landed=pl.col("at") + pl.duration(hours=2), booked=pl.col("at") - pl.duration(days=1)
    )
    found = of(check_quality(frame, time="at"), "later_column")
    assert (found.outcome, found.column, found.rows) == ("warn", "landed", 100)
    report = check_quality(frame, time="at", known_later=("landed",))
    assert "later_column" not in {finding.kind for finding in report.findings}


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_column_that_holds_the_answer_is_named(task: str) -> None:
    frame = rows(2_000)
    label = pl.col("late") if task == "binary" else pl.col("price") * 2
    frame = frame.with_columns(answer=label, hint=(label + pl.Series(np.random.default_rng(1).normal(0, 1e-3, 2_000))))
    report = check_quality(frame.drop("price"), key="id", time="at", label="answer")
    found = [finding for finding in report.findings if finding.kind == "telling_column"]
    expected = {"hint", "late"} if task == "binary" else {"hint"}
    assert {finding.column for finding in found} == expected
    assert {finding.outcome for finding in found} == {"fail"}
    honest = check_quality(frame.drop("price", "hint", "late"), key="id", time="at", label="answer")
    assert of(honest, "telling_column").outcome == "pass"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"key": "idd"}, "did you mean `id`"),
        ({"label": "city"}, "turn the label into numbers"),
        ({"time": "when"}, "known:"),
    ],
)
def test_a_wrong_column_is_refused(more: dict[str, str], words: str) -> None:
    with pytest.raises(DataError) as caught:
        check_quality(rows(5), rows(5), **more)  # pyright: ignore[reportArgumentType]
    assert words in caught.value.fix
    with pytest.raises(DataError, match="no evaluation rows"):
        check_quality(rows(5), rows(5).clear())


def test_a_report_is_a_value_that_json_holds() -> None:
    frame = rows(50)
    report = check_quality(pl.concat([frame, frame[:3]]), frame[:5], key="id", time="at", label="late")
    plain = msgspec.json.decode(msgspec.json.encode(report))
    assert msgspec.convert(plain, QualityReport) == report
    assert str(report).startswith("data quality: fail (53 training, 5 evaluation rows)")


def test_the_same_rows_give_the_same_report() -> None:
    frame, later = rows(3_000), rows(300, seed=2, start=START + timedelta(days=9))
    reports = [check_quality(frame, later, key="id", time="at", label="late") for _ in range(2)]
    assert reports[0] == reports[1]


def test_ten_times_the_rows_take_about_ten_times_the_time() -> None:
    def seconds(count: int) -> float:
        frame = rows(count)
        best = float("inf")
        for _ in range(2):
            began = time.process_time()
            check_quality(frame, frame[:100], key="id", time="at", label="late")
            best = min(best, time.process_time() - began)
        return best

    seconds(100)
    assert seconds(40_000) < 25 * max(seconds(4_000), 0.02)
