"""Firmware images: fetched once into this user's cache, checked by their SHA-256, which one command pins in the board's file."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ..failure import NOT_READY, Failure
from .description import Image, RealBoard

CHUNK = 1 << 16
TIMEOUT = 30.0  # s without a byte
LARGEST = 32 << 20  # bytes; flash of these boards is smaller
_LOOPBACK = ("127.0.0.1", "localhost")

# (bytes done, bytes of all, 0 if the server does not say)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fetched:
    """A complete image in the cache. pinned: whether its hash is the one of the board's file."""

    path: Path
    sha256: str
    pinned: bool


def cache_folder() -> Path:
    """Where images lie, for all checkouts of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "microseal" / "images"


def fetch(image: Image, folder: Path, progress: Progress) -> Fetched:
    """The image from the cache, or from its URL. A download that broke off is taken up where it ended.

    An image whose hash is not the pinned one is deleted, and a Failure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _file_name(image.url)
    with _lock(path):
        if path.exists():
            found = sha256_of(path)
            if not image.sha256 or found == image.sha256:
                return Fetched(path, found, bool(image.sha256))
            path.unlink()  # of an earlier pin, or damaged
        part = path.with_name(path.name + ".part")
        _download(image, part, progress)
        found = sha256_of(part)
        if image.sha256 and found != image.sha256:
            part.unlink()
            raise Failure(
                f"{image.url} is not the image that was pinned: its SHA-256 is\n  {found}, not\n  {image.sha256}",
                "do not use it; run this again, and if it stays so, ask who publishes it",
            )
        part.rename(path)
        return Fetched(path, found, bool(image.sha256))


def discard(fetched: Fetched) -> None:
    """Forgets an image that nobody vouches for, so that the next run fetches and asks anew."""
    fetched.path.unlink(missing_ok=True)


def pin(board: RealBoard, sha256: str) -> None:
    """Writes the hash into the board's file, and leaves the rest of it as it is, comments included."""
    text = board.file.read_text(encoding="utf-8")
    pattern = re.compile(r'(^\[image\]$.*?^sha256\s*=\s*)"[0-9a-f]*"[^\n]*$', re.MULTILINE | re.DOTALL)
    text, count = pattern.subn(rf'\g<1>"{sha256}"', text, count=1)
    if count != 1:
        raise Failure(f"{board.file}: image.sha256: not found", f'write it there yourself: sha256 = "{sha256}"')
    fresh = board.file.with_name(board.file.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(board.file.stat().st_mode & 0o777)  # not this command's umask: the file is for all who use the checkout
    fresh.replace(board.file)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_name(url: str) -> str:
    """The URL's own name for it, with the hash of the whole before it: two servers may have different files of one name."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", urlsplit(url).path.rsplit("/", 1)[-1])
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One download of an image at a time, also where several processes flash."""
    with path.with_name(path.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Another host is fine, plain http is not: an image without a pinned hash has nothing but TLS that vouches for it."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https" and not _on_loopback(req.full_url):
            raise _not_https(f"{req.full_url} redirects to {newurl}")
        _check_transport(newurl, f"{req.full_url} redirects to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_transport(url: str, told: str) -> None:
    if urlsplit(url).scheme != "https" and not _on_loopback(url):
        raise _not_https(told)


def _on_loopback(url: str) -> bool:
    return urlsplit(url).scheme == "http" and urlsplit(url).hostname in _LOOPBACK


def _not_https(told: str) -> Failure:
    return Failure(f"{told}, which is not https", "download it yourself and give it as --firmware FILE")


def _download(image: Image, part: Path, progress: Progress) -> None:
    _check_transport(image.url, image.url)
    # Without a validator or a pin nobody would notice that the rest is of another file.
    if not _validator_file(part).exists() and not image.sha256:
        part.unlink(missing_ok=True)
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(image.url, headers={"User-Agent": "microseal", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        validator = _validator_file(part)
        if validator.exists():
            request.add_header("If-Range", validator.read_text())
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT) as response:
            _receive(response, part, have, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            # What is there is as long as the file, or longer than what is now behind the URL.
            _forget(part)
            _download(image, part, progress)
            return
        raise Failure(
            f"{image.url}: the server says {error.code} {error.reason}",
            "see whether there is a newer image and put its URL into the board's file, or give --firmware FILE",
            NOT_READY,
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Failure(
            f"could not download {image.url}: {reason}",
            "run it again: it goes on where it ended. Without internet: --firmware FILE",
            NOT_READY,
        ) from None
    _validator_file(part).unlink(missing_ok=True)


def _receive(response: Any, part: Path, have: int, progress: Progress) -> None:
    start = 0
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != have:
            raise OSError("the server sends another part than was asked for")
        start = have
    length = response.headers.get("Content-Length")
    total = start + int(length) if length and length.isdigit() else 0
    if total > LARGEST:
        raise OSError(f"the server offers {total} bytes, which is no image for such a board")
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        _validator_file(part).write_text(etag)
    else:
        _validator_file(part).unlink(missing_ok=True)
    done = start
    with part.open("ab" if start else "wb") as file:
        while chunk := response.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            if done > LARGEST:
                raise OSError("the server sends more than any such board holds")
            progress(done, total)
        file.flush()
        os.fsync(file.fileno())
    if done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)
