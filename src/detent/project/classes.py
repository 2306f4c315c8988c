"""The classes of a multiclass project, and what such a project can't ask for."""

from __future__ import annotations

from collections.abc import Iterator

from detent.errors import Place, ProjectError
from detent.project.nodes import Section, Value
from detent.records.check import Check
from detent.records.project import Project

MULTICLASS = "multiclass"
MOST = 100
_ONE_SCORE = {  # kinds of checks about one score per row
    "fairness": "groups are compared by how often they are answered 1",
    "monotone": "it asks whether one score rises or falls",
    "invariant": "it asks how far one score moves",
}


def read_classes(section: Section, task: str) -> tuple[str, ...]:
    """Return the names of the classes, sorted, so that their order in the file means nothing; () of another task.

    Raises:
        ProjectError: they are missing, declared for another task, fewer than 3, more than 100, or one stands there
            twice.
    """
    value = section.get("classes")
    if task != MULTICLASS:
        if value is not None:
            raise value.error(f"a {task} task has no classes", "write `task: multiclass`, or remove the line")
        return ()
    names = tuple(_name(item) for item in section.need("classes", "[setosa, versicolor, virginica]").items())
    given = section.need("classes", "")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise given.error(f"`{twice}` stands there twice", "name each class once")
    if len(names) < 3:
        raise given.error(f"{len(names)} classes are no multiclass task", "use `task: binary` for two classes")
    if len(names) > MOST:
        raise given.error(f"there are {len(names)} classes, and at most {MOST} are told apart", "group the rare ones")
    return tuple(sorted(names))


def _name(value: Value) -> str:
    plain = value.plain()
    return str(plain) if isinstance(plain, int) and not isinstance(plain, bool) else value.text()


def refuse_unfit(project: Project) -> None:
    """Refuse what a multiclass project declares and can't have.

    Raises:
        ProjectError: with the line of the check, or the key.
    """
    if project.target.task != MULTICLASS:
        return
    for check in project.gate:
        why = _unfit(check, len(project.target.classes))
        if why:
            raise ProjectError(
                what=f"`{check.text}` does not fit a multiclass task",
                why=why,
                fix="remove the line; docs/gate.md lists what fits, and a function of your own may check the rest",
                where=Place(file="detent.yaml", line=check.line, field="gate"),
            )
    for field, why in _unfit_keys(project):
        raise ProjectError(
            what=f"`{field}` does not fit a multiclass task",
            why=why,
            fix="remove it",
            where=Place(file="detent.yaml", field=field),
        )


def _unfit(check: Check, classes: int) -> str:
    """Return why a line can't be judged; "" when it can."""
    if check.kind in _ONE_SCORE:
        return f"{_ONE_SCORE[check.kind]}, and this task has a probability for each class"
    top = check.metric.removeprefix("top_")
    if check.code is None and top != check.metric and top.isdigit() and int(top) >= classes:
        return f"of {classes} classes, the true one is always among the first {top}"
    return ""


def _unfit_keys(project: Project) -> Iterator[tuple[str, str]]:
    target = project.target
    for name, value in (("group", target.group), ("series", target.series), ("season", target.season)):
        if value is not None:
            yield f"target.{name}", "lists and forecasts are of one score per row"
    if project.serving.front.score is not None:
        yield "serving.fallback", "a fallback score is one number, and an answer is a probability for each class"
    if project.rollout.experiment.reward == "label":
        yield "rollout.reward", "a class is no number that could be earned"
    if project.monitor.audit:
        yield "monitor.audit", "people are asked for one number"
