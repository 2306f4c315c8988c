"""The key `monitor.channels`: through which ways people hear of alerts."""

from __future__ import annotations

from urllib.parse import urlsplit

from detent import plugins
from detent.project.nodes import Section, Value
from detent.records.project import Channel

SECURITY = ("starttls", "tls", "off")
LOG = Channel(kind="log", url=None, secret=None)
# What each kind may say; one of a third party says what a webhook does.
_KEYS = {
    "log": ("kind",),
    "slack": ("kind", "url_secret"),
    "email": ("kind", "host", "port", "from", "to", "user", "secret", "tls"),
}
_USUAL = ("kind", "url", "secret")


def read_channels(value: Value) -> tuple[Channel, ...]:
    """Read the list of channels: names, or mappings that begin with `kind`.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    return tuple(_channel(item) for item in value.items())


def _channel(value: Value) -> Channel:
    kinds = plugins.names("channel")
    if isinstance(value.plain(), str):
        kind = value.one_of(kinds)
        if kind != "log":
            raise value.error(
                f"channel `{kind}` must know more than its name", _EXAMPLES.get(kind, _EXAMPLES["webhook"])
            )
        return LOG
    kind = value.section().need("kind", "webhook").one_of(kinds)
    section = value.section(_KEYS.get(kind, _USUAL))
    if kind == "log":
        return LOG
    if kind == "slack":
        secret = section.need("url_secret", "SLACK_URL").text()
        return Channel(kind=kind, url=None, secret=None, url_secret=secret)
    if kind == "email":
        return _email(section)
    return Channel(kind=kind, url=_url(section), secret=section.read("secret", Value.text, None))


def _email(section: Section) -> Channel:
    security = section.read("tls", lambda value: value.one_of(SECURITY), SECURITY[0])
    user, secret = section.read("user", Value.text, None), section.read("secret", Value.text, None)
    if (user is None) != (secret is None):
        raise section.owner.error(
            "`user` and `secret` belong together", "write both, or none for a server without login"
        )
    if user is not None and security == "off":
        raise section.owner.error(
            "a password would be sent over a connection that is not encrypted", "write `tls: starttls` or `tls: tls`"
        )
    return Channel(
        kind="email",
        url=None,
        secret=secret,
        host=section.need("host", "smtp.example.org").text(),
        port=section.read("port", lambda value: value.whole(low=1, high=65535), 465 if security == "tls" else 587),
        sender=_address(section.need("from", "detent@example.org")),
        to=_addresses(section.need("to", "[ana@example.org]")),
        user=user,
        security=security,
    )


def _addresses(value: Value) -> tuple[str, ...]:
    found = [_address(value)] if isinstance(value.plain(), str) else [_address(item) for item in value.items()]
    if not found:
        raise value.error("nobody would be told", "write at least one address")
    return tuple(dict.fromkeys(found))


def _address(value: Value) -> str:
    text = value.text()
    name, at, domain = text.partition("@")
    if not (name and at and domain) or any(character.isspace() or character in "<>,;" for character in text):
        raise value.error(f"`{text}` is no mail address", "write name@example.org")
    return text


def _url(section: Section) -> str:
    value = section.need("url", "https://host/path")
    text = value.text()
    try:
        good = urlsplit(text).scheme in ("http", "https") and bool(urlsplit(text).hostname)
    except ValueError:
        good = False
    if not good:
        raise value.error("alerts are posted over http or https only", "write an address such as https://host/path")
    return text


_EXAMPLES = {
    "webhook": "write {kind: webhook, url: https://host/path}",
    "slack": "write {kind: slack, url_secret: SLACK_URL}; the environment variable holds the URL",
    "email": "write {kind: email, host: smtp.example.org, from: detent@example.org, to: [ana@example.org]}",
    "alertmanager": "write {kind: alertmanager, url: http://alertmanager:9093}",
}
