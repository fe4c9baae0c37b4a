"""The service and a member through TLS, with a user name and a password, as guarded brokers want it."""

from __future__ import annotations

import datetime
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from authority_house import House, connected, epoch_of, eventually, running
from microseal_host.failure import Failure
from microseal_host.mqtt import Address, new_client
from microseal_host.sim.broker import find_mosquitto, free_port
from microseal_host.sim.children import Children

PASSWORD = "open sesame"


@dataclass(frozen=True)
class Guarded:
    address: Address
    other_ca: str


def _authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return _certificate(name, key, name, key, True), key


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signer, hashes.SHA256())
    )


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """A mosquitto with a certificate for `localhost`, which lets in nobody but the user `microseal`."""
    pem = serialization.Encoding.PEM
    ca, signer = _authority("test authority")
    other, _ = _authority("another authority")
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "ca.pem").write_bytes(ca.public_bytes(pem))
    (tmp_path / "other.pem").write_bytes(other.public_bytes(pem))
    certificate = _certificate("localhost", key, "test authority", signer, False)
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    subprocess.run(["mosquitto_passwd", "-c", "-b", tmp_path / "users", "microseal", PASSWORD], check=True)
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        f"certfile {tmp_path / 'cert.pem'}",
        f"keyfile {tmp_path / 'key.pem'}",
        "allow_anonymous false",
        f"password_file {tmp_path / 'users'}",
    ]
    config.write_text("\n".join(lines + ["user root"] * (os.geteuid() == 0)) + "\n")
    with Children() as children:
        children.start("mosquitto", [find_mosquitto(), "-c", config], tmp_path / "mosquitto.log")
        assert eventually(lambda: _listens(port))
        yield Guarded(
            Address("localhost", port, True, str(tmp_path / "ca.pem"), "microseal", PASSWORD),
            str(tmp_path / "other.pem"),
        )


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_through_tls_and_with_a_password(tmp_path: Path, guarded: Guarded) -> None:
    house = House(tmp_path / "house", guarded.address)
    member = house.device("a")
    house.group("g", a="ps")
    with running(house), connected(house, member) as client:
        assert eventually(lambda: epoch_of(member, "g") == 1, step=lambda: client.step(0.05))


def test_a_broker_of_another_authority_is_not_talked_to(
    tmp_path: Path, guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path / "house", replace(guarded.address, ca_file=guarded.other_ca))
    with running(house, ready=False):
        assert eventually(lambda: "certificate verify failed" in caplog.text)
    house.address = replace(guarded.address, host="127.0.0.1")
    with running(house, ready=False):
        assert eventually(lambda: "IP address mismatch" in caplog.text)


def test_a_wrong_password_is_told(tmp_path: Path, guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    house = House(tmp_path / "house", replace(guarded.address, password="wrong"))
    with running(house, ready=False):
        assert eventually(lambda: "refuses this client: Not authorized" in caplog.text)
    assert "wrong" not in caplog.text
    assert PASSWORD not in repr(guarded.address)


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing of the kind")
    for name in (path, tmp_path / "absent"):
        with pytest.raises(Failure, match="cannot use"):
            new_client(Address("localhost", tls=True, ca_file=str(name)), "x", clean=True)
