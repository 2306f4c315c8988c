"""How callers come in: the keys of `serving` that limit, move and encrypt what reaches the server."""

from __future__ import annotations

import re

from detent.project.nodes import Section, Value
from detent.records.front import FallbackScore, Front

KEYS = ("fast_path", "timeout", "most_open", "manage", "metrics", "tls", "origins")
VERSIONS = ("previous", "none")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")


def read_front(section: Section) -> Front:
    """Read them from the section `serving`, which may also say what stands at the end of `fallback`."""
    default = Front()
    manage = section.read("manage", lambda value: value.section(("host", "port")), None)
    tls = section.read("tls", lambda value: value.section(("certificate", "key")), None)
    return Front(
        fast_path=section.read("fast_path", _is_on, default.fast_path),
        timeout=section.read("timeout", Value.duration, default.timeout),
        most_open=section.read("most_open", lambda value: value.whole(low=1, high=100_000), default.most_open),
        score=section.read("fallback", lambda value: read_fallback(value)[1], None),
        manage_host=default.manage_host if manage is None else manage.read("host", Value.text, default.manage_host),
        manage_port=None if manage is None else manage.read("port", lambda value: value.whole(low=0, high=65535), None),
        public_metrics=section.read("metrics", lambda value: value.one_of(("public", "managed")), "") == "public",
        certificate=None if tls is None else tls.need("certificate", "tls/server.pem").text(),
        private_key=None if tls is None else tls.need("key", "tls/server.key").text(),
        origins=section.read("origins", lambda value: tuple(_origin(item) for item in value.items()), ()),
    )


def read_fallback(value: Value) -> tuple[str, FallbackScore | None]:
    """Read who answers when the chosen version fails: a word, or a list such as [previous, {score: 0.5}]."""
    if isinstance(value.plain(), str):
        return value.one_of(VERSIONS), None
    version, score = "none", None
    for place, item in enumerate(value.items()):
        if score is not None or (place and isinstance(item.plain(), str)):
            raise item.error("nothing can come after it", "write the version first and the score last")
        if isinstance(item.plain(), str):
            version = item.one_of(VERSIONS)
        else:
            score = _score(item)
    return version, score


def _is_on(value: Value) -> bool:
    plain = value.plain()
    return plain if isinstance(plain, bool) else value.one_of(("on", "off")) == "on"


def _score(value: Value) -> FallbackScore:
    section = value.section(("score", "field", "scores"))
    scores = section.read("scores", _scores, ())
    field = section.read("field", Value.text, None)
    if bool(scores) != (field is not None):
        raise value.error("`field` and `scores` belong together", "write both: field: origin, scores: {JFK: 0.3}")
    return FallbackScore(score=section.need("score", "0.5").number(), field=field, scores=scores)


def _scores(value: Value) -> tuple[tuple[str, float], ...]:
    return tuple((key, item.number()) for key, item in value.section().entries())


def _origin(value: Value) -> str:
    text = value.text()
    if not _ORIGIN.fullmatch(text):
        raise value.error(
            f"`{text}` is no origin", "write scheme, host and port as a browser does: https://app.example"
        )
    return text
