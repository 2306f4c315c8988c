"""Fan-out over lists known only at run time, conditions, and what follows from both."""

from __future__ import annotations

import pytest
from pipeline_project import Project, outcomes, whys

from detent.errors import ProjectError

HEAD = "import polars as pl\nfrom typing import NamedTuple\nfrom detent.pipeline import pipeline, step, when\n"
FAN = (
    HEAD
    + """
@step
def parts(n: int) -> list[int]:
    return list(range(n))

@step
def square(part: int, shift: int) -> pl.DataFrame:
    if part == 13:
        raise ValueError("thirteen")
    return pl.DataFrame({"x": [part * part + shift]})

@step
def total(frames: list[pl.DataFrame]) -> int:
    return sum(frame["x"].item() for frame in frames)

@pipeline
def flow(n=3, shift=0):
    squares = square.map(part=parts(n))(shift=shift)
    return {"total": total(squares), "squares": squares}
"""
)


def test_a_step_is_called_once_per_item_and_the_results_come_as_a_list_in_order(project: Project) -> None:
    project.write(steps_under_test=FAN)
    first = project.run({})
    assert first.value("total") == 5
    assert [frame["x"].item() for frame in first.value("squares")] == [0, 1, 4]
    assert outcomes(first) == dict.fromkeys(("parts", "square[0]", "square[1]", "square[2]", "total"), "ran")
    assert set(outcomes(project.run({})).values()) == {"hit"}


def test_one_more_item_runs_one_more_call(project: Project) -> None:
    project.write(steps_under_test=FAN)
    project.run({})
    again = project.run({}, params={"n": 4})
    assert outcomes(again) == {
        "parts": "ran", "square[0]": "hit", "square[1]": "hit", "square[2]": "hit", "square[3]": "ran", "total": "ran",
    }  # fmt: skip
    assert again.value("total") == 14
    assert set(outcomes(project.run({}, params={"n": 2})).values()) == {"ran", "hit"}


def test_an_empty_list_is_a_fan_out_of_nothing(project: Project) -> None:
    project.write(steps_under_test=FAN)
    result = project.run({}, params={"n": 0})
    assert outcomes(result) == {"parts": "ran", "total": "ran"}
    assert result.value("total") == 0
    assert result.value("squares") == []


def test_an_item_that_fails_leaves_the_others_their_results(project: Project) -> None:
    project.write(steps_under_test=FAN)
    result = project.run({}, params={"n": 15})
    assert outcomes(result)["square[13]"] == "failed"
    assert outcomes(result)["square[14]"] == "ran"
    assert outcomes(result)["total"] == "skipped"
    assert whys(result)["total"] == "`square` failed"
    project.write(steps_under_test=FAN.replace("part == 13", "part == 99"))
    assert project.run({}, params={"n": 15}).value("total") == sum(n * n for n in range(15))


def test_lists_are_taken_side_by_side_and_frames_can_be_items(project: Project) -> None:
    project.write(
        steps_under_test=HEAD
        + """
class Part(NamedTuple):
    name: str
    frame: pl.DataFrame

@step
def split(n: int) -> list[pl.DataFrame]:
    return [pl.DataFrame({"x": list(range(i + 1))}) for i in range(n)]

@step
def named(frame: pl.DataFrame, name: str) -> Part:
    return Part(name, frame)

@step
def sizes(parts: list[Part], names: list[str]) -> dict[str, int]:
    assert [part.name for part in parts] == names
    return {part.name: part.frame.height for part in parts}

@pipeline
def flow():
    parts = named.map(frame=split(3), name=["a", "b", "c"])()
    return {"sizes": sizes(parts, parts.name)}
"""
    )
    assert project.run({}).value("sizes") == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("over", "text"),
    [
        ("part=one()", "can't go over the output of `one`"),
        ("part=parts(2), shift=[1, 2, 3]", "differ in length"),
    ],
)
def test_what_is_no_list_or_of_another_length_fails_the_step_with_the_reason(
    project: Project, over: str, text: str
) -> None:
    rest = "" if "shift" in over else "shift=0"
    body = f"@step\ndef one() -> int:\n    return 1\n@pipeline\ndef flow():\n    return square.map({over})({rest})\n"
    project.write(steps_under_test=FAN.partition("@pipeline")[0] + body)
    result = project.run({})
    assert result.run.state == "failed"
    assert text in str(result.errors[0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("square.map()(1)", "nothing to go over"),
        ("square.map(part=3)(shift=1)", "got no list"),
        ("square.map(item=[1])(shift=1)", "does not fit"),
    ],
)
def test_a_fan_out_that_is_wrong_is_refused_when_it_is_drawn(project: Project, call: str, text: str) -> None:
    project.write(steps_under_test=FAN.partition("@pipeline")[0] + f"@pipeline\ndef flow():\n    return {call}\n")
    with pytest.raises(ProjectError, match=text):
        project.run({})


WHEN = (
    HEAD
    + """
@step
def size(n: int) -> str:
    return "large" if n > 10 else "small"

@step
def is_large(word: str) -> bool:
    return word == "large"

@step
def big() -> str:
    return "big model"

@step
def tiny() -> str:
    return "tiny model"

@step
def publish(model: str) -> str:
    return "published " + model

@pipeline
def flow(n=3):
    word = size(n)
    with when(is_large(word)):
        published = publish(big())
    with when(word, equals="small"):
        model = tiny()
    return {"published": published, "model": model}
"""
)


def test_only_the_branch_whose_condition_is_met_runs(project: Project) -> None:
    project.write(steps_under_test=WHEN)
    small = project.run({})
    assert outcomes(small) == {
        "size": "ran", "is_large": "ran", "big": "skipped", "publish": "skipped", "tiny": "ran",
    }  # fmt: skip
    assert set(small.outputs) == {"model"}
    assert whys(small)["big"] == "when(is_large) is not met"
    large = project.run({}, params={"n": 11})
    assert large.value("published") == "published big model"
    assert whys(large)["tiny"] == "when(size, equals='small') is not met"
    assert large.run.state == "succeeded"


def test_a_condition_on_a_value_that_is_no_plain_one_fails_with_the_fix(project: Project) -> None:
    text = WHEN.replace("def is_large(word: str) -> bool:\n    return word == \"large\"",
                        "def is_large(word: str) -> pl.DataFrame:\n    return pl.DataFrame()")  # fmt: skip
    project.write(steps_under_test=text)
    result = project.run({})
    assert "can't be decided" in str(result.errors[0])
    assert "an output of its own" in result.errors[0].fix


@pytest.mark.parametrize(
    ("line", "text"), [("with when(True):", "needs the output of a step"), ("if size(1):", "used as a condition")]
)
def test_conditions_that_can_not_be_drawn_say_how_to_write_them(project: Project, line: str, text: str) -> None:
    body = f"@pipeline\ndef flow():\n    {line}\n        model = tiny()\n    return model\n"
    project.write(steps_under_test=WHEN.partition("@pipeline")[0] + body)
    with pytest.raises(ProjectError, match=text):
        project.run({})


def test_outside_a_pipeline_a_fan_out_is_a_list_of_calls() -> None:
    from detent.pipeline import step

    @step
    def double(part: int, shift: int) -> int:
        return 2 * part + shift

    assert double.map(part=[1, 2])(shift=1) == [3, 5]


def test_equal_calls_in_one_run_are_made_once(project: Project) -> None:
    project.write(
        steps_under_test=HEAD
        + "@step\ndef one(n: int) -> int:\n    print('called')\n    return n\n"
        + "@pipeline\ndef flow():\n    return {'a': one(1), 'b': one(1), 'c': one(1)}\n"
    )
    result = project.run({})
    assert sorted(outcomes(result).values()) == ["hit", "hit", "ran"]
