"""`microseal publish`: seals a message and publishes it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from microseal import errors
from microseal.errors import NotReady, Refused

from ..failure import NEGATIVE, NOT_READY, USAGE, Failure
from ..member.client import MemberClient
from . import joining, options, output

EXAMPLE = "Example: [bold]microseal publish plant/7/valve open --claim laptop.claim.json[/bold]"
_MOST = 65535  # bytes of a message, whatever the policy


def publish(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    message: Annotated[str | None, typer.Argument(metavar="[MESSAGE]", help="Without it: standard input.")] = None,
    retain: Annotated[bool, typer.Option("--retain", help="The broker keeps it; on state topics.")] = False,
    mode: Annotated[
        int | None, typer.Option("--mode", min=1, max=3, help="More protection than the group's policy asks for.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="S", help="How long to wait for broker and authority.")
    ] = 30.0,
    identity: joining.Identity = joining.DEFAULT_IDENTITY,
    claim: joining.Claim = None,
    broker: options.Broker = None,
    tls: options.Tls = False,
    ca_file: options.CaFile = None,
    username: options.Username = None,
    password_file: options.PasswordFile = None,
    as_json: options.Json = False,
) -> None:
    """Seal a message as its group's policy says and publish it; done when the broker has it.

    Publishes as a member of its own, enrolled like a device.
    """
    payload = message.encode() if message is not None else sys.stdin.buffer.read(_MOST + 1)
    name = topic.encode()
    if len(payload) > _MOST:
        raise Failure(f"the message is longer than {_MOST} bytes", code=USAGE)
    with joining.opened(identity, claim) as directory:
        address = options.address(directory.address(), broker, tls, ca_file, username, password_file)
        with MemberClient(directory.member(), address, frozenset()) as client:
            member = client.member
            me = member.id.decode()

            def ready() -> bool:
                if not client.connected or not member.can_seal():
                    return False
                try:
                    member.find(name)
                except Refused:
                    return False
                return True

            joining.wait(
                client,
                ready,
                wait,
                lambda: f"{me} is in no group with the topic {topic}: microseal group add GROUP {me} --publish",
            )
            try:
                acknowledged = client.publish(name, payload, retain, mode)
                used = member.mode_of(name, mode)
            except NotReady as error:
                raise Failure(str(error), code=NOT_READY) from None
            except Refused as refusal:
                raise _explain(refusal.reason, me, topic) from None
    if not acknowledged:
        raise Failure("the broker did not acknowledge it", code=NOT_READY)
    if as_json:
        output.print_json({"topic": topic, "sender": me, "mode": used, "size": len(payload), "retained": retain})
    else:
        output.note(f"published on {output.visible(topic)} in mode {used}")


def _explain(reason: str, me: str, topic: str) -> Failure:
    hints = {
        errors.ROLE: f"{me} does not publish on {topic}: microseal group add GROUP {me} --publish",
        errors.SIZE: "the group's policy has --max-size",
        errors.POLICY: "only state topics take retained messages: microseal group create --state-topic",
        errors.EXPIRED: "its certificate, or the group's epoch, has expired: is `microseal authority run` running?",
    }
    return Failure(f"not published: {reason}", hints.get(reason, ""), NEGATIVE)
