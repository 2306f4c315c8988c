"""The port for those who run the server, pages of other origins, and TLS; real processes and sockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from detent.serving.http.paths import MANAGE, METRICS, ROUTES
from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, ROW, World, body

PREDICT = f"/v1/models/{ENDPOINT}:predict"
PAGE = "https://app.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "detent test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "server.pem", folder / "server.key"


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, bundles: dict[int, Path], certificate: tuple[Path, Path]
) -> Iterator[tuple[Supervisor, httpx.Client]]:
    """A server with TLS, a management port and one page that may use it; and a client that trusts it."""
    world = World(tmp_path_factory.mktemp("guarded") / "state")
    world.ship(1, bundles[1])
    world.route((1, 10_000))
    settings = world.settings(
        workers=1,
        manage=("127.0.0.1", 0),
        hidden=(METRICS, MANAGE),
        certificate=str(certificate[0]),
        private_key=str(certificate[1]),
        origins=(PAGE,),
    )
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    with Supervisor(settings) as supervisor, httpx.Client(base_url=supervisor.address, verify=trusted) as client:
        yield supervisor, client


Guarded = tuple[Supervisor, httpx.Client]


def test_predictions_are_answered_over_tls_and_only_over_tls(guarded: Guarded) -> None:
    supervisor, client = guarded
    assert supervisor.address.startswith("https://")
    for _ in range(3):
        assert client.post(PREDICT, content=body(ROW)).status_code == 200
    assert client.post(PREDICT, content=body(*[ROW] * 900)).status_code == 200
    with pytest.raises(httpx.HTTPError):
        httpx.post(supervisor.address.replace("https", "http") + PREDICT, content=body(ROW))
    with pytest.raises(httpx.ConnectError):
        httpx.get(supervisor.address + "/healthz")  # who does not trust the certificate


def test_metrics_are_on_the_management_port_alone(guarded: Guarded) -> None:
    supervisor, client = guarded
    hidden = client.get("/metrics")
    assert (hidden.status_code, hidden.json()["type"]) == (404, "urn:detent:problem:unknown-path")
    assert supervisor.manage_address.startswith("http://127.0.0.1:")
    assert "detent_" in httpx.get(supervisor.manage_address + "/metrics").text


def test_health_is_on_both_ports_and_every_route_on_the_management_port(guarded: Guarded) -> None:
    supervisor, client = guarded
    for path in ("/healthz", "/readyz"):
        assert client.get(path).status_code == 200
    for rule in ROUTES:
        path = rule.path.replace("{endpoint}", ENDPOINT).replace("{version}", "1")
        managed = httpx.request(rule.method, supervisor.manage_address + path, content=body(ROW))
        assert managed.status_code not in (401, 404, 405), rule
        shown = client.request(rule.method, path, content=body(ROW)).status_code
        assert (shown == 404) == (rule.access in (METRICS, MANAGE)), rule


def test_a_listed_page_may_ask_and_read_and_another_one_may_not(guarded: Guarded) -> None:
    _, client = guarded
    preflight = client.options(PREDICT, headers={"origin": PAGE, "access-control-request-method": "POST"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    for method, path in (("POST", PREDICT), ("GET", "/healthz"), ("GET", "/nothing"), ("POST", "/feedback")):
        answer = client.request(method, path, content=body(ROW), headers={"origin": PAGE})
        assert answer.headers.get_list("access-control-allow-origin") == [PAGE], path
        assert "origin" in answer.headers["vary"]
        for other in ("https://evil.example", "null", PAGE + ":8443", PAGE.upper()):
            answer = client.request(method, path, content=body(ROW), headers={"origin": other})
            assert "access-control-allow-origin" not in answer.headers
    assert client.options(PREDICT, headers={"origin": "https://evil.example"}).status_code == 405


def test_without_a_list_no_page_may(world: World, serve: Callable[..., Supervisor]) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=1)
    answer = httpx.post(supervisor.address + PREDICT, content=body(ROW), headers={"origin": PAGE})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert supervisor.manage_address == supervisor.address
    assert "detent_" in httpx.get(supervisor.address + "/metrics").text


def test_a_client_that_never_ends_its_handshake_hurts_nobody(guarded: Guarded) -> None:
    supervisor, client = guarded
    port = int(supervisor.address.rpartition(":")[2])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for one in silent[::2]:
        one.sendall(b"\x16\x03\x01\x02\x00")
    assert client.post(PREDICT, content=body(ROW)).status_code == 200
    for one in silent:
        one.close()
