"""Options that several commands have: the database, the passphrase, the broker."""

from __future__ import annotations

import os
import stat
import sys
import time
import unicodedata
from pathlib import Path
from typing import Annotated

import typer

from ..failure import DENIED, NOT_READY, USAGE, Failure
from ..mqtt import Address, parse_address

_LEAST = 8  # characters of a passphrase


def _refuse_password(context: typer.Context, value: str) -> str:
    """A password in the arguments can be read by every user of this machine."""
    source = context.get_parameter_source("database")
    if "://" in value and "@" in value and source is not None and source.name == "COMMANDLINE":
        from ..authority.database import parse

        if parse(value).password is not None:
            raise Failure(
                "a password in the arguments can be read by every user of this machine",
                "leave it out and use ~/.pgpass, or give the URL as MICROSEAL_DATABASE",
                USAGE,
            )
    return value


Database = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="MICROSEAL_DATABASE",
        metavar="FILE|URL",
        help="The authority's database: a file, or a URL such as postgresql://host/name.",
        callback=_refuse_password,
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="MICROSEAL_PASSPHRASE_FILE",
        metavar="FILE",
        help="Read the passphrase from this file; without it from MICROSEAL_PASSPHRASE, else a prompt.",
    ),
]
ValidDays = Annotated[
    int | None,
    typer.Option("--valid-days", metavar="DAYS", min=1, max=36500, help="The claim expires; default: it does not."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Broker = Annotated[
    str | None,
    typer.Option("--broker", metavar="HOST[:PORT]", help="The broker, if it is not where it was last."),
]
Tls = Annotated[bool, typer.Option("--tls", help="Talk to the broker through TLS.")]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Whom to trust for TLS; default: the system's.")
]
Username = Annotated[str | None, typer.Option("--username", help="User name at the broker.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Read the password at the broker from this file; without it from MICROSEAL_BROKER_PASSWORD.",
    ),
]


def until(days: int | None) -> int | None:
    """The moment, s since 1970, that is so many days from now; None for no end."""
    return None if days is None else min(int(time.time()) + days * 86400, 0xFFFFFFFF)


def passphrase(file: Path | None, new: bool = False) -> str:
    """The passphrase from the file, the environment or a prompt. new: it is asked for twice and must not be too short."""
    if file is not None:
        secret = read_secret(file, "passphrase")
    elif "MICROSEAL_PASSPHRASE" in os.environ:
        secret = os.environ["MICROSEAL_PASSPHRASE"]
    elif sys.stdin.isatty():
        secret = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=new, err=True)
    else:
        raise Failure(
            "no passphrase",
            "give --passphrase-file FILE, or set MICROSEAL_PASSPHRASE or MICROSEAL_PASSPHRASE_FILE",
            NOT_READY,
        )
    if new and len(secret) < _LEAST:
        raise Failure(f"the passphrase has less than {_LEAST} characters", code=USAGE)
    return unicodedata.normalize("NFC", secret)


def read_secret(path: Path, what: str) -> str:
    """The first line of a file that only its owner may read."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            # A pipe (process substitution) belongs to this process anyway.
            if stat.S_ISREG(mode) and stat.S_IMODE(mode) & 0o077:
                raise Failure(f"{path} is open to other users", f"chmod 600 {path}", DENIED)
            text = file.readline().rstrip("\r\n")
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}", code=NOT_READY) from None
    except UnicodeDecodeError:
        raise Failure(f"{path} is not text in UTF-8", code=USAGE) from None
    if not text:
        raise Failure(f"there is no {what} in {path}", code=NOT_READY)
    return text


def address(
    default: Address | None,
    broker: str | None,
    tls: bool = False,
    ca_file: Path | None = None,
    username: str | None = None,
    password_file: Path | None = None,
) -> Address:
    """Where the broker is: `broker` if given, else `default`, with the rest of the options."""
    tls = tls or ca_file is not None or default is not None and default.tls and broker is None
    if broker is not None:
        host, port = parse_address(broker, tls)
    elif default is not None:
        host, port = default.host, default.port
    else:
        raise Failure("no broker", "--broker HOST[:PORT]", USAGE)
    password = None
    if password_file is not None:
        password = read_secret(password_file, "password")
    elif username is not None:
        password = os.environ.get("MICROSEAL_BROKER_PASSWORD")
    elif "MICROSEAL_BROKER_PASSWORD" in os.environ:
        raise Failure("a password at the broker, but no user name", "--username NAME", USAGE)
    if ca_file is not None and not ca_file.is_file():
        raise Failure(f"there is no file {ca_file}", code=NOT_READY)
    return Address(host, port, tls, str(ca_file) if ca_file else None, username, password)
