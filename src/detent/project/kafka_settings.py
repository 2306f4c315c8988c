"""The keys `settings` and `secrets` of a Kafka topic: librdkafka's own names, and what may be said in a file."""

from __future__ import annotations

import re

from detent.errors import did_you_mean
from detent.project.nodes import Value

# How the connection is secured and kept; whatever else librdkafka knows goes through `connection`.
OPEN = (
    "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.kerberos.service.name",
    "sasl.kerberos.principal", "sasl.kerberos.keytab", "sasl.oauthbearer.method", "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.scope", "sasl.oauthbearer.token.endpoint.url", "ssl.ca.location", "ssl.certificate.location",
    "ssl.key.location", "ssl.crl.location", "ssl.keystore.location", "ssl.cipher.suites", "ssl.curves.list",
    "ssl.sigalgs.list", "ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification", "client.id",
    "client.rack", "broker.address.family", "socket.timeout.ms", "socket.connection.setup.timeout.ms",
)  # fmt: skip
SECRET = (
    "sasl.password", "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "ssl.key.password", "ssl.key.pem",
    "ssl.certificate.pem", "ssl.ca.pem", "ssl.keystore.password",
)  # fmt: skip
_PROTOCOLS = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")


def read_settings(value: Value) -> tuple[tuple[str, str], ...]:
    """Return the settings of a topic, as librdkafka takes them.

    Raises:
        ProjectError: with the line: a name that is not known or whose value is a secret, or another kind of value.
    """
    return tuple((name, _setting(name, one)) for name, one in value.section().entries())


def read_secrets(value: Value) -> tuple[tuple[str, str], ...]:
    """Return the settings whose values are secrets, each with the name of the environment variable that holds it.

    Raises:
        ProjectError: with the line: a name that is no secret's, or no name of a variable.
    """
    return tuple((name, _variable(one)) for name, one in value.section(SECRET).entries())


def _setting(name: str, value: Value) -> str:
    if name in SECRET:
        fix = f"write `secrets: {{{name}: NAME}}` with the name of an environment variable, and take it out of the file"
        raise value.error("its value is a secret, and no secret belongs into this file", fix)
    if name not in OPEN:
        raise value.error(f"`{name}` can't be set here", f"{did_you_mean(name, OPEN)} All else: `connection`")
    found = value.plain()
    if isinstance(found, bool):
        return str(found).lower()
    if not isinstance(found, str | int) or found == "":
        raise value.error("a text, a whole number, true or false is needed", "write a value that librdkafka knows")
    if name == "security.protocol" and str(found).lower() not in _PROTOCOLS:
        raise value.error(f"`{found}` is no protocol", did_you_mean(str(found).lower(), _PROTOCOLS))
    return str(found)


def _variable(value: Value) -> str:
    name = value.text()
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        # It may be the secret itself, so it is not shown.
        raise value.error("this is no name of an environment variable", "write a name such as KAFKA_PASSWORD")
    return name
