"""Firmware images against a server of this test's own: resumed, checked, cached, pinned, and never over plain http."""

from __future__ import annotations

import datetime
import hashlib
import http.server
import os
import random
import re
import shutil
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from microseal_host.board import description, images
from microseal_host.board.description import Image
from microseal_host.failure import Failure

CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` at /fw.bin with ranges; breaks the connection after `cut` bytes, once."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.content = CONTENT
        self.etag: str | None = '"one"'
        self.cut: int | None = None
        self.redirect: str | None = None
        self.sent: list[int] = []  # bytes of each answer
        self.status = 200

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_port}/fw.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        if server.status != 200:
            self.send_error(server.status)
            return
        start = 0
        wanted = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if wanted and self.headers.get("If-Range") in (None, server.etag):
            start = int(wanted[1])
        if start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        if server.cut is not None:
            body, server.cut = body[: server.cut], None
        self.wfile.write(body)
        server.sent.append(len(body))


def serve(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve(Server())


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The same behind TLS, with a certificate that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    yield from serve(Server(context))


def quiet(done: int, total: int) -> None:
    pass


def fetch(server: Server, folder: Path, sha256: str = "") -> images.Fetched:
    return images.fetch(Image(url=server.url, version="1.26.1", sha256=sha256), folder, quiet)


def test_an_image_is_fetched_once(server: Server, tmp_path: Path) -> None:
    shown: list[tuple[int, int]] = []
    image = Image(url=server.url, version="1.26.1", sha256=SHA256)
    first = images.fetch(image, tmp_path, lambda *step: shown.append(step))
    assert (first.path.read_bytes(), first.sha256, first.pinned) == (CONTENT, SHA256, True)
    assert shown[-1] == (len(CONTENT), len(CONTENT)) and shown == sorted(shown)
    assert fetch(server, tmp_path, SHA256) == first
    assert len(server.sent) == 1


def test_without_a_pin_the_hash_is_told(server: Server, tmp_path: Path) -> None:
    fetched = fetch(server, tmp_path)
    assert (fetched.sha256, fetched.pinned) == (SHA256, False)
    images.discard(fetched)
    fetch(server, tmp_path)
    assert len(server.sent) == 2


def test_a_download_that_broke_off_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cut = 100_000
    with pytest.raises(Failure, match="could not download") as caught:
        fetch(server, tmp_path)
    assert "goes on where it ended" in caught.value.hint
    assert fetch(server, tmp_path).path.read_bytes() == CONTENT
    assert sum(server.sent) == len(CONTENT)


@pytest.mark.parametrize("etag", ['"two"', None])
def test_another_file_at_the_same_place_is_fetched_whole(server: Server, tmp_path: Path, etag: str | None) -> None:
    if etag is None:
        server.etag = None
    server.cut = 100_000
    with pytest.raises(Failure):
        fetch(server, tmp_path)
    server.content, server.etag = CONTENT[::-1], etag
    assert fetch(server, tmp_path).path.read_bytes() == CONTENT[::-1]


def test_a_part_that_is_whole_already_is_asked_for_anew(server: Server, tmp_path: Path) -> None:
    server.cut = 290_000
    with pytest.raises(Failure):
        fetch(server, tmp_path)
    server.content = CONTENT[:250_000]
    assert fetch(server, tmp_path).path.read_bytes() == CONTENT[:250_000]


def test_another_image_than_the_pinned_one_is_refused_and_gone(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="is not the image that was pinned") as caught:
        fetch(server, tmp_path, "00" * 32)
    assert SHA256 in str(caught.value)
    assert not list(tmp_path.glob("*.bin")) and not list(tmp_path.glob("*.part"))


def test_a_cached_image_that_is_not_the_pinned_one_is_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path, SHA256).path.write_bytes(b"damaged")
    assert fetch(server, tmp_path, SHA256).path.read_bytes() == CONTENT


def test_what_the_server_says_is_told(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(Failure, match="the server says 404") as caught:
        fetch(server, tmp_path)
    assert "--firmware FILE" in caught.value.hint


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    image = Image(url="http://127.0.0.1:1/fw.bin", version="1.26.1", sha256="")
    with pytest.raises(Failure, match="Connection refused"):
        images.fetch(image, tmp_path, quiet)


def test_tls_is_followed_to_another_host_and_not_out_of_tls(tls: Server, server: Server, tmp_path: Path) -> None:
    assert fetch(tls, tmp_path).path.read_bytes() == CONTENT
    other = images.fetch(Image(url=tls.url + "?2", version="1.26.1", sha256=""), tmp_path, quiet)
    assert other.path.read_bytes() == CONTENT
    tls.redirect = server.url
    with pytest.raises(Failure, match="redirects to http://localhost.*, which is not https"):
        images.fetch(Image(url=tls.url + "?3", version="1.26.1", sha256=""), tmp_path, quiet)
    server.redirect, tls.redirect = tls.url, None
    # From plain http on this machine, as tests have it, to TLS elsewhere.
    assert images.fetch(Image(url=server.url, version="1.26.1", sha256=""), tmp_path, quiet).sha256 == SHA256


def test_a_redirect_to_plain_http_elsewhere_is_refused(server: Server, tmp_path: Path) -> None:
    server.redirect = "http://images.example/fw.bin"
    with pytest.raises(Failure, match="redirects to http://images.example/fw.bin, which is not https"):
        fetch(server, tmp_path)


def test_a_certificate_of_nobody_known_is_refused(tls: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(Failure, match="certificate verify failed|No such file"):
        fetch(tls, tmp_path)


def test_a_pin_changes_one_value_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    shutil.copy(description.FOLDER / "rpi_pico_w.toml", file)
    file.chmod(0o644)
    before = file.read_text()
    board = description.load(file)
    assert isinstance(board, description.Uf2Board)
    umask = os.umask(0o077)
    try:
        images.pin(board, SHA256)
    finally:
        os.umask(umask)
    assert file.stat().st_mode & 0o777 == 0o644
    after = description.load(file)
    assert isinstance(after, description.Uf2Board) and after.image.sha256 == SHA256
    changed = [
        (old, new) for old, new in zip(before.splitlines(), file.read_text().splitlines(), strict=True) if old != new
    ]
    assert [new for _, new in changed] == [f'sha256 = "{SHA256}"']
