"""`microseal group`: makes groups and says who is in them."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ..failure import USAGE, Failure
from . import options, output
from .device import warn_if_idle

app = typer.Typer(no_args_is_help=True, help="Make groups and say who publishes and who subscribes in them.")

_Gid = Annotated[str, typer.Argument(metavar="GROUP", help="1 to 32 of A-Z a-z 0-9 . _ : -")]
_Devices = Annotated[list[str], typer.Argument(metavar="DEVICE...", help="ids of devices")]
_Filter = list[str] | None


@app.command("create", epilog="Example: [bold]microseal group create plant-7 --mode 2 --topic 'plant/7/#'[/bold]")
def create(
    gid: _Gid,
    topic: Annotated[
        _Filter, typer.Option("--topic", metavar="FILTER", help="Topics on which publishers speak. Repeatable.")
    ] = None,
    query_topic: Annotated[
        _Filter,
        typer.Option("--query-topic", metavar="FILTER", help="Topics on which subscribers ask publishers. Repeatable."),
    ] = None,
    state_topic: Annotated[
        _Filter,
        typer.Option(
            "--state-topic", metavar="FILTER", help="Topics of states: retained messages and wills. Repeatable."
        ),
    ] = None,
    mode: Annotated[
        int, typer.Option("--mode", min=1, max=3, help="At least: 1 signed, 2 and secret, 3 and anonymous.")
    ] = 2,
    max_age: Annotated[
        int, typer.Option("--max-age", min=0, max=0xFFFFFFFF, metavar="S", help="Oldest message taken; 0: any.")
    ] = 120,
    max_size: Annotated[
        int, typer.Option("--max-size", min=0, max=65535, metavar="N", help="Longest message, bytes.")
    ] = 1024,
    lifetime: Annotated[
        float,
        typer.Option("--lifetime", min=0.01, max=3650, metavar="DAYS", help="Longest time that a key is used."),
    ] = 7.0,
    database: options.Database = "microseal.db",
    as_json: options.Json = False,
) -> None:
    """Make a group: which topics are its own, and what protection they have at least."""
    from ..authority import lease, registry
    from ..authority.database import open_existing

    filters = [(kind, each) for kind, given in enumerate((topic, query_topic, state_topic)) for each in given or ()]
    policy = registry.make_policy(mode, max_age, max_size, filters)
    store = open_existing(database)
    with store.write() as connection:
        registry.create_group(connection, gid, policy, int(lifetime * 86400))
    if as_json:
        output.print_json({"group": gid} | _policy(policy))
    else:
        output.note(f"group {gid} made; next: microseal group add {gid} DEVICE --publish")
    warn_if_idle(lease.is_running(store))


def _policy(policy: object) -> dict[str, object]:
    from microseal.policy import QUERY, STATE, Policy

    assert isinstance(policy, Policy)
    return {
        "mode": policy.mode,
        "max_age": policy.max_age,
        "max_size": policy.max_size,
        "filters": [
            {"filter": pattern.decode(), "query": bool(kind & QUERY), "state": bool(kind & STATE)}
            for kind, pattern in policy.filters
        ],
    }


@app.command("add", epilog="Example: [bold]microseal group add plant-7 pump-3 --publish[/bold]")
def add(
    gid: _Gid,
    devices: _Devices,
    publish: Annotated[bool, typer.Option("--publish", help="They publish.")] = False,
    subscribe: Annotated[bool, typer.Option("--subscribe", help="They subscribe.")] = False,
    database: options.Database = "microseal.db",
    as_json: options.Json = False,
) -> None:
    """Put devices into a group, in place of the roles that they had there."""
    from ..authority import lease, registry
    from ..authority.database import open_existing

    if not publish and not subscribe:
        raise Failure("say what they do in the group", "--publish, --subscribe, or both", USAGE)
    store = open_existing(database)
    with store.write() as connection:
        for device in devices:
            registry.add_member(connection, gid, device, publish, subscribe)
    if as_json:
        output.print_json({"group": gid, "devices": devices, "publish": publish, "subscribe": subscribe})
    else:
        roles = " and ".join(["publishes"] * publish + ["subscribes"] * subscribe)
        for device in devices:
            output.note(f"{device} {roles} in {gid}")
    warn_if_idle(lease.is_running(store))


@app.command("remove", epilog="Example: [bold]microseal group remove plant-7 pump-3[/bold]")
def remove(
    gid: _Gid, devices: _Devices, database: options.Database = "microseal.db", as_json: options.Json = False
) -> None:
    """Take devices out of a group; the others get new keys at once."""
    from ..authority import lease, registry
    from ..authority.database import open_existing

    store = open_existing(database)
    with store.write() as connection:
        for device in devices:
            registry.remove_member(connection, gid, device)
    if as_json:
        output.print_json({"group": gid, "removed": devices})
    else:
        for device in devices:
            output.note(f"{device} is out of {gid}")
    warn_if_idle(lease.is_running(store))


@app.command("delete", epilog="Example: [bold]microseal group delete plant-7[/bold]")
def delete(gid: _Gid, database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """Delete a group: its members are out of it, and its topics are free for others."""
    from ..authority import lease, registry
    from ..authority.database import open_existing

    store = open_existing(database)
    with store.write() as connection:
        members = registry.delete_group(connection, gid)
    if as_json:
        output.print_json({"group": gid, "members": members})
    else:
        output.note(f"group {gid} is deleted, with {members} member{'' if members == 1 else 's'}")
    warn_if_idle(lease.is_running(store))


@app.command("list", epilog="Example: [bold]microseal group list[/bold]")
def list_(database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """List groups."""
    from ..authority import registry
    from ..authority.database import open_existing

    with open_existing(database).read() as connection:
        groups = registry.list_groups(connection)
    if as_json:
        output.print_json(
            [{"group": gid, "epoch": epoch, "members": count} | _policy(policy) for gid, policy, epoch, count in groups]
        )
        return
    table = output.table("group", "mode", "epoch", "members", "topics")
    for gid, policy, epoch, count in groups:
        topics = " ".join(pattern.decode() for _, pattern in policy.filters)
        table.add_row(gid, str(policy.mode), str(epoch), str(count), topics)
    output.console().print(table)


@app.command("show", epilog="Example: [bold]microseal group show plant-7[/bold]")
def show(gid: _Gid, database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """Show a group: its policy, its epoch, and its members with what each still waits for."""
    from ..authority import registry
    from ..authority.database import open_existing

    with open_existing(database).read() as connection:
        group = registry.show_group(connection, gid, int(time.time()))
    if as_json:
        members = [
            {
                "device": m.device,
                "publish": m.publish,
                "subscribe": m.subscribe,
                "in_force": m.in_force,
                "waits_for": m.waits_for,
            }
            for m in group.members
        ]
        output.print_json(
            {"group": gid, "epoch": group.epoch, "not_after": group.not_after, "lifetime": group.lifetime}
            | _policy(group.policy)
            | {"members": members}
        )
        return
    console, policy = output.console(), group.policy
    age = f"{policy.max_age} s" if policy.max_age else "any"
    console.print(f"mode {policy.mode}, age {age}, size {policy.max_size} bytes")
    for kind, pattern in policy.filters:
        what = ("topic", "query topic", "state topic", "query state topic")[kind]
        console.print(f"{what} {output.visible(pattern.decode())}")
    console.print(f"epoch {group.epoch}, good until {output.date(group.not_after)}")
    table = output.table("device", "publishes", "subscribes", "waits for")
    for m in group.members:
        table.add_row(m.device, "yes" if m.publish else "", "yes" if m.subscribe else "", m.waits_for or "")
    console.print(table)
