"""The commands, and what they have in common: how they fail, and how they end.

Exit codes: 0 done; 1 no, or refused; 2 called wrongly; 3 something is not there, not reachable or not ready yet;
4 wrong passphrase or permissions; 130 Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

import microseal
from microseal import crypto
from microseal.errors import MicrosealError, NotReady, Refused
from microseal_host.backends import libcrypto

from ..failure import INTERRUPTED, NEGATIVE, NOT_READY, Failure
from . import (
    attacks,
    authority,
    bench,
    bridge,
    claim,
    crosscheck,
    device,
    group,
    init,
    listen,
    output,
    provision,
    publish,
)


class _Root(TyperGroup):
    """Expected errors end a command with a line that says what to do, never with a traceback."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except Failure as failure:
            output.fail(str(failure), failure.hint)
            code = failure.code
        except Refused as refusal:
            output.fail(f"refused: {refusal.reason}")
            code = NEGATIVE
        except NotReady as error:
            output.fail(str(error))
            code = NOT_READY
        except MicrosealError as error:
            output.fail(str(error))
            code = NEGATIVE
        except (KeyboardInterrupt, typer.Abort):  # the second: at a question
            code = INTERRUPTED
        except Exception as error:
            # The database may go away, or turn out to be damaged, at any time. Only who uses it has SQLAlchemy loaded.
            sqlalchemy = sys.modules.get("sqlalchemy.exc")
            if sqlalchemy is None or not isinstance(error, sqlalchemy.DBAPIError):
                raise
            from ..authority.database import WHAT_TO_DO, reason_of

            output.fail(f"cannot use the database: {reason_of(error)}", WHAT_TO_DO)
            code = NOT_READY
        raise typer.Exit(code)


app = typer.Typer(
    cls=_Root,
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables would show secrets.
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Identity, signed and sealed messages for small devices on any MQTT broker.",
    epilog="Exit codes: 0 done, 1 no or refused, 2 called wrongly, 3 not reachable or not ready, 4 not permitted, "
    "130 interrupted.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"microseal {microseal.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    # What every command computes with.
    crypto.use(libcrypto)


app.command("init", epilog=init.EXAMPLE)(init.init)
app.add_typer(device.app, name="device")
app.add_typer(claim.app, name="claim")
app.add_typer(group.app, name="group")
app.add_typer(authority.app, name="authority")
app.command("provision", epilog=provision.EXAMPLE)(provision.provision)
app.command("bridge", epilog=bridge.EXAMPLE)(bridge.bridge)
app.command("listen", epilog=listen.EXAMPLE)(listen.listen)
app.command("publish", epilog=publish.EXAMPLE)(publish.publish)
app.command("crosscheck", epilog=crosscheck.EXAMPLE)(crosscheck.crosscheck)
app.command("attacks", epilog=attacks.EXAMPLE)(attacks.attacks)
app.command("bench", epilog=bench.EXAMPLE)(bench.bench)
