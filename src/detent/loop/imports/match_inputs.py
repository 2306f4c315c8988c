"""The inputs of a model from elsewhere, matched with the features of this project by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from detent.bundle.foreign import Foreign
from detent.errors import Place, RefusedError, did_you_mean
from detent.records.signature import STRING, Field
from detent.training.table import Table, tabulate

_SHOWN = 20
_SEVERAL = ("onnx", "skops")  # formats of which models with several classes are read


def match_inputs(
    foreign: Foreign, rows: pl.DataFrame, *, given: Sequence[str], features: Collection[str], label: str, task: str
) -> Table:
    """Return the training rows as the model takes them: its inputs in its order, and the label.

    `given` are names that the user gave for the model's inputs, in the model's order; () when it has its own.

    Raises:
        RefusedError: it has no names, another number of inputs, or inputs that the project does not make or makes of
            another kind.
        DataError: a column can't be an input, or the label can't be read.
    """
    known = sorted(set(features) & set(rows.columns) - {label})
    names = _names(foreign, given, known)
    missing = [name for name in names if name not in known]
    if missing:
        raise _refused(
            f"it reads {_listed(missing)}, which the project's features do not make",
            f"make the missing ones in the feature function, or correct the names; {did_you_mean(missing[0], known)}",
        )
    table = tabulate(rows.select([*names, label]), label=label, exclude=(), task=task)
    _check_kinds(foreign, table.signature.inputs)
    if table.signature.classes and foreign.predictor not in _SEVERAL:
        raise _refused(
            "the project has several classes, and a model of this format gives one score per row here",
            f"import it as {' or '.join(_SEVERAL)}",
        )
    wanted = table.signature.output
    if foreign.output is not None and foreign.output != wanted:
        raise _refused(
            f"it gives a {foreign.output}, and a {task} model gives a {wanted}", "import a model of this task"
        )
    return table


def _names(foreign: Foreign, given: Sequence[str], known: Sequence[str]) -> list[str]:
    own = list(given or foreign.named)
    if not own:
        count = _count(foreign.width) if foreign.width else "inputs"
        raise _refused(
            f"it takes {count} without names; the project makes {_listed(known)}",
            "say which they are, in the model's order: --inputs a,b,c",
        )
    if len(set(own)) != len(own):
        raise _refused(f"an input stands twice among {_listed(own)}", "name every input once")
    if foreign.width is not None and len(own) != foreign.width:
        raise _refused(
            f"it takes {_count(foreign.width)}, and these are {len(own)}: {_listed(own)}", "name each of them once"
        )
    if given and foreign.named and set(given) != set(foreign.named):
        raise _refused(f"it calls its inputs {_listed(foreign.named)}", "leave --inputs out, or rename the features")
    # LightGBM writes blanks in names as underscores.
    renamed = {name.replace(" ", "_"): name for name in known}
    return [name if name in known else renamed.get(name, name) for name in (foreign.named or own)]


def _check_kinds(foreign: Foreign, fields: Sequence[Field]) -> None:
    wrong = [
        f"{one.name} ({foreign.kinds[one.name]} there, {one.kind} here)"
        for one in fields
        if one.name in foreign.kinds and (foreign.kinds[one.name] == STRING) != (one.kind == STRING)
    ]
    if wrong:
        raise _refused(f"inputs are of another kind: {', '.join(wrong[:_SHOWN])}", "make them of one kind")


def _count(inputs: int) -> str:
    return "1 input" if inputs == 1 else f"{inputs} inputs"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more


def _refused(why: str, fix: str) -> RefusedError:
    return RefusedError(
        what="the model's inputs and output are not those of this project",
        why=why,
        fix=fix,
        where=Place(file="detent.yaml", field="features"),
    )
