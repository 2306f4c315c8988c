"""The `data` section: where each dataset comes from, how its changes are noticed, and what it promises."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from detent.errors import did_you_mean
from detent.project.durations import parse_duration
from detent.project.expect import parse_expectation
from detent.project.nodes import Section, Value
from detent.records.expectation import FAIL, WARN, Expectation, Suite
from detent.records.project import Changes, Source

_KEYS = ("source", "sql", "connection", "time", "key", "contract", "changes", "expect")
_CHANGES = ("etag", "ttl", "probe")
_OR_LAST = " or last"
_EXAMPLES = "etag | ttl 6h | probe file.py:function"


def read_data(value: Value) -> tuple[Source, ...]:
    """Return every declared dataset.

    Raises:
        ProjectError: with the place, for a wrong key, a source outside without `changes`, or a line of `expect` that
            can't be read or names a dataset that is not there.
    """
    entries = tuple(value.section().entries())
    if not entries:
        raise value.error("no dataset is declared", "add one: events: {source: data/events.parquet}")
    names = tuple(name for name, _ in entries)
    return tuple(_source(name, item, names) for name, item in entries)


def _source(name: str, item: Value, names: tuple[str, ...]) -> Source:
    if not name.isidentifier():
        raise item.error(f"`{name}` can't be a parameter of a Python function", "use letters, digits and _")
    section = item.section(_KEYS)
    sql = section.read("sql", Value.text, None)
    connection = section.read("connection", _variable, None)
    if sql is None:
        source = _location(section.need("source", "data/events.parquet"))
        if connection is not None:
            raise item.error("`connection` is for an SQL source", 'add sql: "select ...", or remove it')
    else:
        if "source" in section or connection is None:
            raise item.error(
                "an SQL source has `sql` and `connection`, and no `source`",
                f'write {{sql: "select ...", connection: WAREHOUSE_URL, changes: {_EXAMPLES}}}; WAREHOUSE_URL is an '
                "environment variable",
            )
        source = f"sql:{connection}"
    contract, contract_severity = section.read("contract", _contract, (None, FAIL))
    return Source(
        name=name,
        source=source,
        time=section.read("time", Value.text, None),
        key=section.read("key", Value.text, None),
        contract=contract,
        line=item.line,
        contract_severity=contract_severity,
        sql=sql,
        connection=connection,
        changes=_changes(section, outside="://" in source or sql is not None, is_sql=sql is not None),
        expect=section.read("expect", lambda value: _expect(value, names), ()),
    )


def _location(value: Value) -> str:
    source = value.text()
    if "://" in source and urlsplit(source).password is not None:
        raise value.error(
            "a password stands in the URL, and detent.yaml is no place for secrets",
            "leave it out and give it by the environment (for S3: AWS_ACCESS_KEY_ID ..., for HTTP: a ~/.netrc entry)",
            what=f"`{value.key}` holds a secret",
        )
    return source


def _variable(value: Value) -> str:
    name = value.text()
    if not name.isidentifier():
        raise value.error(
            "it is the name of an environment variable, never the URL itself",
            "write connection: WAREHOUSE_URL, and set WAREHOUSE_URL=postgresql+psycopg://... in the environment",
        )
    return name


def _contract(value: Value) -> tuple[str, str]:
    """Return a schema's `file.py:Name` and what a broken one is; `-> warn` may follow."""
    text = value.text()
    spec, arrow, severity = (part.strip() for part in text.partition("->"))
    file, colon, name = spec.partition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise value.error(f"`{spec}` does not name Python code", "write file.py:name, such as contracts.py:Flights")
    if arrow and severity not in (WARN, FAIL):
        raise value.error(f"`{severity}` is no severity", did_you_mean(severity, (WARN, FAIL)))
    return spec, severity or FAIL


def _changes(section: Section, *, outside: bool, is_sql: bool) -> Changes | None:
    value = section.get("changes")
    if not outside:
        if value is not None:
            raise value.error(
                "a file of the project is looked at itself: a change is always noticed", "remove the line"
            )
        return None
    if value is None:
        kinds = "ttl 6h | probe select max(updated_at) from ..." if is_sql else _EXAMPLES
        raise section.owner.error(
            "the source lies outside, and nothing says how a change there is noticed",
            f"add `changes: {kinds}`",
            what=f"`{section.owner.key}` does not say how it changes",
        )
    return _read_changes(value, is_sql=is_sql)


def _read_changes(value: Value, *, is_sql: bool) -> Changes:
    text = value.text().strip()
    or_last = text.endswith(_OR_LAST)
    kind, _, rest = text.removesuffix(_OR_LAST).strip().partition(" ")
    rest = rest.strip()
    if kind not in _CHANGES:
        raise value.error(f"`{kind}` says nothing about changes", did_you_mean(kind, _CHANGES))
    if kind == "etag" and (is_sql or rest):
        why = "a database has no etag" if is_sql else f"`{rest}` does not belong to etag"
        raise value.error(why, "write ttl 6h, or probe select max(updated_at) from ..." if is_sql else "write etag")
    if kind == "ttl":
        return Changes(kind=kind, ttl=_ttl(value, rest), or_last=or_last)
    if kind == "probe":
        _check_probe(value, rest, is_sql=is_sql)
        return Changes(kind=kind, probe=rest, or_last=or_last)
    return Changes(kind=kind, or_last=or_last)


def _ttl(value: Value, text: str) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise value.error(str(error), "write for example `changes: ttl 6h`") from error
    if length <= timedelta(0):
        raise value.error("a time to live of nothing never holds", "write for example `changes: ttl 6h`")
    return length


def _check_probe(value: Value, text: str, *, is_sql: bool) -> None:
    file, colon, name = text.partition(":")
    is_code = bool(colon) and file.endswith(".py") and name.isidentifier()
    is_select = is_sql and text.partition(" ")[0].lower() in ("select", "with")
    if not is_code and not is_select:
        fix = "write `probe file.py:function`" + (" or `probe select max(updated_at) from ...`" if is_sql else "")
        raise value.error(f"`{text}` is nothing that can be asked", fix)


def _expect(value: Value, names: tuple[str, ...]) -> tuple[Expectation | Suite, ...]:
    return tuple(_promise(item, names) for item in value.items())


def _promise(item: Value, names: tuple[str, ...]) -> Expectation | Suite:
    if isinstance(item.plain(), dict):
        section = item.section(("gx", "engine", "severity"))
        return Suite(
            path=section.need("gx", "expectations/flights.json").text(),
            engine=section.read("engine", lambda entry: entry.one_of(("auto", "detent", "gx")), "auto"),
            severity=section.read("severity", lambda entry: entry.one_of((FAIL, WARN)), FAIL),
            line=item.line,
        )
    promise = item.parsed(lambda text: parse_expectation(text, item.line))
    other = promise.other.partition(".")[0]
    if other and other not in names:
        raise item.error(
            f"`{other}` is no dataset of this project", did_you_mean(other, names), offset=item.text().find(other + ".")
        )
    return promise
