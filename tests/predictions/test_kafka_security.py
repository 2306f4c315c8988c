"""Settings of TLS and SASL reach the broker as they are declared, and no secret is in what is said of it."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from detent.predictions.sources.kafka import fetch
from detent.predictions.sources.protocol import LabelError
from detent.records.project import LabelSource

# librdkafka's broker for tests speaks neither TLS nor SASL. This door says the first words of Kafka's protocol.
METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE = 3, 17, 18, 36
KNOWN = ((METADATA, 1), (HANDSHAKE, 1), (VERSIONS, 3), (AUTHENTICATE, 0))  # request, highest version


class Door:
    """The first steps of a broker behind TLS: it takes the certificate and the password of whoever comes, and ends."""

    def __init__(self, folder: Path) -> None:
        self.certificate = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        context.load_verify_locations(self.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        self._context, self._listener = context, socket.create_server(("127.0.0.1", 0))
        self.servers = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.shown, self.said = list[object](), list[bytes]()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as guest:
                    self.shown.append(guest.getpeercert())
                    self._listen(guest)
            except (OSError, struct.error):
                continue

    def _listen(self, guest: ssl.SSLSocket) -> None:
        while True:
            asked = frame(guest)
            key, _, number = struct.unpack_from(">hhi", asked)
            if key == VERSIONS:
                known = b"".join(struct.pack(">hhhb", name, 0, most, 0) for name, most in KNOWN)
                answer = struct.pack(">hb", 0, len(KNOWN) + 1) + known + struct.pack(">ib", 0, 0)
            elif key == HANDSHAKE:
                answer = struct.pack(">hih", 0, 1, 5) + b"PLAIN"
            else:
                self.said.append(asked)
                return
            guest.sendall(struct.pack(">ii", len(answer) + 4, number) + answer)


def frame(guest: ssl.SSLSocket) -> bytes:
    """Read a length and so many bytes."""
    (size,) = struct.unpack(">i", exactly(guest, 4))
    return exactly(guest, size)


def exactly(guest: ssl.SSLSocket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = guest.recv(size - len(found))
        if not more:
            raise ConnectionResetError
        found += more
    return found


def certificate(folder: Path) -> Path:
    """Make a key and a certificate for this machine, which vouches for itself; return the file with both."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "broker.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("detent.predictions.sources.kafka._ANSWER", 2.0)
    monkeypatch.setenv("KAFKA_PASSWORD", "hunter2")
    made = Door(tmp_path)
    yield made
    made.close()


def source(door: Door, **settings: str) -> LabelSource:
    file = str(door.certificate)
    return LabelSource(
        source="kafka:truth", field="id", name="order", servers=door.servers,
        settings=(
            ("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "detent"),
            ("ssl.certificate.location", file), ("ssl.key.location", file), *settings.items(),
        ),
        secrets=(("sasl.password", "KAFKA_PASSWORD"),),
    )  # fmt: skip


def test_certificate_user_and_password_reach_the_broker_and_the_password_nobody_else(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LabelError) as caught:
        fetch(source(door, **{"ssl.ca.location": str(door.certificate)}))
    assert b"\0detent\0hunter2" in door.said[0]
    assert door.shown[0]
    assert "hunter2" not in str(caught.value) + caplog.text


def test_a_broker_whose_certificate_nobody_vouches_for_gets_no_password(door: Door) -> None:
    with pytest.raises(LabelError, match="(?i)certificate") as caught:
        fetch(source(door))
    assert door.said == []
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_is_not_in_the_environment_is_named(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_PASSWORD")
    with pytest.raises(LabelError, match="KAFKA_PASSWORD is not set"):
        fetch(source(door))
